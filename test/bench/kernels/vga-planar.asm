; Planar VGA: lines of 640 pixels in mode 12h, a plane at a time, and a pixel in each by the bit mask.
%define VGA_MODE 0x12
%ifdef SHORT
    %define PER_ITERATION 15 + 40
%else
    %define PER_ITERATION 16 + 20
%endif
%define SETUP 7
%define PASS 2000
%include "frame.inc"

kernel:
%ifdef SHORT
    mov bx, 0xa000
    mov es, bx
    xor ebx, ebx
%else
    mov ebx, 0xa0000
    xor esi, esi
    nop
%endif
    mov esi, ecx
.loop:
    mov edx, 0x3c4
    mov ecx, esi
    and ecx, 3
    mov eax, 0x100
    shl eax, cl
    mov al, 2
    out dx, ax                  ; map mask: one plane
    mov eax, esi
    imul edi, esi, 80
    and edi, 0x7fff
%ifdef SHORT
    mov ecx, 40
    rep stosw
    mov al, [es:di - 40]        ; the latches
    stosb
%else
    add edi, ebx
    mov ecx, 20
    rep stosd
    mov al, [edi - 40]
    stosb
%endif
    dec esi
    jnz .loop
%ifdef SHORT
    xor bx, bx
    mov es, bx
%else
    nop
    nop
%endif
    ret
