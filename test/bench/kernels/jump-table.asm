; Dispatch through a jump table: an interpreter of a made-up byte code with eight operations in no pattern, 1,024 long.
%ifdef SHORT
    %define PER_ITERATION 8
%else
    %define PER_ITERATION 7
%endif
%define SETUP 4
%define PASS 600000
%include "frame.inc"

kernel:
    xor eax, eax
    xor esi, esi
    mov edx, 0x9e3779b9
next:
    movzx ebx, byte [program + xsi]
    inc xsi
    and xsi, 1023
%ifdef SHORT
    add bx, bx
    jmp [operations + bx]
%else
    jmp [operations + xbx * XSIZE]
%endif

%macro operation 1+
    %1
    dec xcx
    jnz next
    ret
%endmacro

%ifdef SHORT
op0: operation add ax, cx
op4: operation lea ax, [bx + si]
%else
op0: operation add xax, xcx
op4: operation lea xax, [xax + xdx * 4]
%endif
op1: operation xor xax, xdx
op2: operation sub xdx, xax
op3: operation rol xax, 7
op5: operation not xdx
op6: operation neg xax
op7: operation add xdx, xsi

align 8
operations:
    pointers op0, op1, op2, op3, op4, op5, op6, op7
program:
%assign seed 12345
%rep 1024
    %assign seed (seed * 1103515245 + 12345) & 0x7fffffff
    db (seed >> 16) & 7
%endrep
