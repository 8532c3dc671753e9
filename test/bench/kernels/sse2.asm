; SSE2: packed doubles and integers, loads and stores.
%define PER_ITERATION 10
%define SETUP 9
%define PASS 100000
%define VECTORS
%include "frame.inc"

kernel:
    mov ebx, values
    movapd xmm0, [xbx]
    movapd xmm1, [xbx + 16]
    pxor xmm2, xmm2
.loop:
    mulpd xmm0, xmm1
    addpd xmm0, [xbx + 32]
    movdqa xmm3, [xbx + 48]
    paddd xmm2, xmm3
    pshufd xmm3, xmm3, 0x39
    pxor xmm2, xmm3
    movdqa [xbx + 48], xmm3
    pmuludq xmm3, xmm2
    dec xcx
    jnz .loop
    paddd xmm2, xmm3
    pxor xmm2, xmm0
    movd eax, xmm2
    nop
    ret

align 16
values:
    dq 1.0, 1.5
    dq 0.5, 0.25
    dq 0.3, 0.7
    dd 1, 2, 3, 4
