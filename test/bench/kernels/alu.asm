; ALU loop: registers only, each result used by the next instructions.
%define PER_ITERATION 8
%define SETUP 6
%define PASS 500000
%include "frame.inc"

kernel:
    xor eax, eax
    mov edx, 0x9e3779b9
    xor ebx, ebx
    mov esi, 0x12345678
.loop:
%ifdef SHORT
    add ax, cx
    xor dx, ax
    rol dx, 5
    lea bx, [bx + si + 1]
    sub si, bx
    and ax, 0x7fff
%else
    add xax, xcx
    xor xdx, xax
    rol xdx, 5
    lea xbx, [xbx + xdx * 2 + 1]
    sub xsi, xbx
    and xax, 0x7fffffff
%endif
    dec xcx
    jnz .loop
    lea eax, [esi + edx]
    ret
