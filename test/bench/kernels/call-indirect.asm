; CALL through a register to a function on another page.
%define PER_ITERATION 5
%define SETUP 3
%define PASS 800000
%include "frame.inc"

kernel:
    xor eax, eax
    mov ebx, callee
.loop:
    call xbx
    dec xcx
    jnz .loop
    ret

    times 0x1000 + 0x400 - ($ - $$) db 0x90
callee:
%ifdef SHORT
    lea eax, [eax * 2 + eax + 1]
%else
    lea xax, [xax * 2 + xax + 1]
%endif
    ret
