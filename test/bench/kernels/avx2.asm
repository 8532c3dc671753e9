; AVX2: 256-bit integers and doubles, loads and stores.
%define PER_ITERATION 10
%define SETUP 9
%define PASS 100000
%define VECTORS
%define AVX
%include "frame.inc"

kernel:
    mov ebx, values
    vmovapd ymm0, [xbx]
    vmovapd ymm1, [xbx + 32]
    vpxor ymm2, ymm2, ymm2
.loop:
    vmulpd ymm0, ymm0, ymm1
    vaddpd ymm0, ymm0, [xbx + 64]
    vmovdqa ymm3, [xbx + 96]
    vpaddd ymm2, ymm2, ymm3
    vpshufd ymm3, ymm3, 0x39
    vpxor ymm2, ymm2, ymm3
    vmovdqa [xbx + 96], ymm3
    vpmulld ymm3, ymm3, ymm2
    dec xcx
    jnz .loop
    vextracti128 xmm3, ymm3, 1
    vpaddd xmm2, xmm2, xmm3
    vpxor xmm2, xmm2, xmm0
    vmovd eax, xmm2
    ret

align 32
values:
    dq 1.0, 1.5, 1.25, 1.75
    dq 0.5, 0.25, 0.125, 0.75
    dq 0.3, 0.7, 0.2, 0.9
    dd 1, 2, 3, 4, 5, 6, 7, 8
