; Dispatch through a jump table: an interpreter of a made-up byte code with eight operations in no pattern, 1,024 long.
%define PER_ITERATION 7
%define SETUP 4
%define PASS 600000
%include "frame.inc"

kernel:
    xor eax, eax
    xor esi, esi
    mov edx, 0x9e3779b9
next:
    movzx ebx, byte [program + esi]
    inc esi
    and esi, 1023
    jmp [operations + ebx * 4]

%macro operation 1+
    %1
    dec ecx
    jnz next
    ret
%endmacro

op0: operation add eax, ecx
op1: operation xor eax, edx
op2: operation sub edx, eax
op3: operation rol eax, 7
op4: operation lea eax, [eax + edx * 4]
op5: operation not edx
op6: operation neg eax
op7: operation add edx, esi

align 4
operations:
    dd op0, op1, op2, op3, op4, op5, op6, op7
program:
%assign seed 12345
%rep 1024
    %assign seed (seed * 1103515245 + 12345) & 0x7fffffff
    db (seed >> 16) & 7
%endrep
