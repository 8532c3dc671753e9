; Context switches: CR3 goes to and fro between two address spaces, of which eight pages are used each time.
%define PER_ITERATION 12
%define SETUP 6
%define PASS 30000
%define PAGED
%define PREPARE
%include "frame.inc"

%ifdef LONG
    %define TOP PML4
%else
    %define TOP PAGE_DIRECTORY
%endif
OTHER equ 0x14000

kernel:
    mov esi, OTHER
    mov edi, TOP
    mov ebx, WINDOW
    mov dword [xbx + 0x3000], 5
    xor eax, eax
.loop:
    mov cr3, xsi
    xchg xsi, xdi
%assign page 0
%rep 8
    add eax, [xbx + page * 0x1000]
    %assign page page + 1
%endrep
    dec xcx
    jnz .loop
    ret

; The same tables once more, under another top.
prepare:
    mov esi, TOP
    mov edi, OTHER
    mov ecx, 1024
    rep movsd
    ret
