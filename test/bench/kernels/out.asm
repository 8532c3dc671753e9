; Port output: OUT to the POST port 0x80, which takes anything and does nothing.
%define PER_ITERATION 4
%define SETUP 2
%define PASS 50000
%include "frame.inc"

kernel:
    xor eax, eax
.loop:
    out 0x80, al
    inc eax
    dec ecx
    jnz .loop
    ret
