; CALL and RET within a page.
%define PER_ITERATION 5
%define SETUP 2
%define PASS 800000
%include "frame.inc"

kernel:
    xor eax, eax
.loop:
    call .callee
    dec xcx
    jnz .loop
    ret
.callee:
%ifdef SHORT
    lea eax, [eax * 2 + eax + 1]
%else
    lea xax, [xax * 2 + xax + 1]
%endif
    ret
