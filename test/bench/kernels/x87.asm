; x87: double precision loads, multiplications, additions and stores.
%define PER_ITERATION 10
%define SETUP 6
%define PASS 100000
%include "frame.inc"

kernel:
    fninit
    fldz
.loop:
    fld qword [factor]
    fmul qword [value]
    fadd qword [addend]
    fst qword [value]
    faddp
    fld st0
    fsub qword [addend]
    fstp dword [single]
    dec xcx
    jnz .loop
    fstp qword [value]
    mov eax, [value + 4]
    xor eax, [single]
    ret

align 8
value: dq 1.0
factor: dq 0.75
addend: dq 0.3
single: dd 0
