; A process of its own that lets the host's CPU run code which may fault: ring 3, in 64-, 32- and 16-bit mode.
; A static ELF image, `nasm -f bin`. Reads records of IN from standard input and writes one of OUT for each to standard
; output; ends at the end of the input. All that is its own lies above 4 GiB, where no 32-bit address reaches it.
;
; Layouts of both records: host-faults.ts.
bits 64
org 0x500000000000

DATA equ 0x30001000            ; one page, those beside it are absent
CODE equ 0x38000000            ; one page
BASE16 equ 0x30000000         ; base of 16-bit data segments
LDT_CODE16 equ 7
LDT_DATA16 equ 15

; what a record holds
IN_MODE equ 0
IN_LENGTH equ 4
IN_FLAGS equ 8
IN_GPR equ 16                  ; RAX RCX RDX RBX RSP RBP RSI RDI R8-R15
IN_CODE equ 144
IN_XSAVE equ 256
IN_DATA equ 1088
IN_SIZE equ 5184
OUT_GPR equ 64                 ; R8-R15 RDI RSI RBP RBX RDX RAX RCX RSP, as in a sigcontext
OUT_FX equ 192
OUT_YMM equ 704
OUT_DATA equ 960
OUT_SIZE equ 5056

; Linux
READ equ 0
WRITE equ 1
MMAP equ 9
SIGACTION equ 13
SIGRETURN equ 15
SETITIMER equ 38
EXIT equ 60
SIGALTSTACK equ 131
MODIFY_LDT equ 154
SIGVTALRM equ 26
UC_GPR equ 40
UC_RIP equ 168
UC_FLAGS equ 176
UC_SELECTORS equ 184
UC_ERROR equ 192
UC_TRAP equ 200
UC_CR2 equ 216
UC_FPSTATE equ 224
FPSTATE_YMM equ 576

elf:
  db 0x7f, 'ELF', 2, 1, 1, 0
  times 8 db 0
  dw 2, 62
  dd 1
  dq start, program - elf, 0
  dd 0
  dw 64, 56, 1, 0, 0, 0
program:
  dd 1, 7                      ; PT_LOAD, RWX
  dq 0, elf, elf, end - elf, memory_end - elf, 4096

%macro system 1
  mov eax, %1
  syscall
%endmacro

start:
  mov edx, 3                   ; PROT_READ | PROT_WRITE
  mov edi, DATA
  call map
  mov edx, 7                   ; and PROT_EXEC
  mov edi, CODE
  call map
  lea rdi, [rel ldt_code]
  call set_ldt
  lea rdi, [rel ldt_data]
  call set_ldt
  lea rdi, [rel altstack]
  xor esi, esi
  system SIGALTSTACK
  mov rbx, signals
.each:
  movzx edi, byte [rbx]
  test edi, edi
  jz next
  lea rsi, [rel action]
  xor edx, edx
  mov r10d, 8
  system SIGACTION
  inc rbx
  jmp .each

map:
  mov esi, 4096
  mov r10d, 0x32               ; MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED
  mov r8, -1
  xor r9d, r9d
  system MMAP
  ret

set_ldt:
  mov rsi, rdi
  mov edi, 1
  mov edx, 16
  system MODIFY_LDT
  ret

next:
  mov rsp, stack_top
  xor ebx, ebx
.read:
  xor edi, edi
  lea rsi, [rel input]
  add rsi, rbx
  mov edx, IN_SIZE
  sub edx, ebx
  system READ
  test rax, rax
  jle finish
  add rbx, rax
  cmp ebx, IN_SIZE
  jb .read

  cld
  mov rdi, CODE
  mov eax, 0xcccccccc
  mov ecx, 4096 / 4
  rep stosd
  mov rdi, CODE
  lea rsi, [rel input + IN_CODE]
  mov ecx, [rel input + IN_LENGTH]
  rep movsb
  mov rdi, DATA
  lea rsi, [rel input + IN_DATA]
  mov ecx, 4096 / 8
  rep movsq

  lea rsi, [rel timer]
  call set_timer

  ; The frame for IRETQ, so that TF and AC come with the first instruction.
  mov ebx, [rel input + IN_MODE]
  mov rax, CODE
  mov ecx, 0x33
  mov edx, 0x2b
  cmp ebx, 64
  je .frame
  mov ecx, 0x23
  cmp ebx, 32
  je .frame
  xor eax, eax
  mov ecx, LDT_CODE16
  mov edx, LDT_DATA16
.frame:
  mov [rel frame], rax
  mov [rel frame + 8], rcx
  mov rax, [rel input + IN_FLAGS]
  mov [rel frame + 16], rax
  mov rax, [rel input + IN_GPR + 32]
  mov [rel frame + 24], rax
  mov qword [rel frame + 32], 0x2b
  mov dword [rel running], 1   ; a kernel without an LDT refuses the selectors already
  mov ds, edx
  mov es, edx
  xor eax, eax
  mov fs, eax
  mov gs, eax
  mov eax, 7
  xor edx, edx
  xrstor64 [rel input + IN_XSAVE]
  mov rsp, frame
%macro load 2
  mov %1, [rel input + IN_GPR + 8 * %2]
%endmacro
  load rax, 0
  load rcx, 1
  load rdx, 2
  load rbx, 3
  load rbp, 5
  load rsi, 6
  load rdi, 7
  load r8, 8
  load r9, 9
  load r10, 10
  load r11, 11
  load r12, 12
  load r13, 13
  load r14, 14
  load r15, 15
  iretq

; RDI signal, RSI siginfo, RDX ucontext; on the alternate stack. It never returns from a case: the next one starts.
handler:
  push qword 0x202             ; AC may be set
  popfq
  cmp dword [rel running], 0
  je return                    ; the timer, a little late
  mov dword [rel running], 0
  mov rbx, rdx
  mov rbp, rdi
  lea rsi, [rel no_timer]
  call set_timer
  mov rax, [rbx + UC_TRAP]
  cmp ebp, SIGVTALRM
  jne .trap
  mov eax, 999
.trap:
  mov [rel output], rax
  mov rax, [rbx + UC_ERROR]
  mov [rel output + 8], rax
  mov rax, [rbx + UC_CR2]
  mov [rel output + 16], rax
  mov rax, [rbx + UC_RIP]
  mov [rel output + 24], rax
  mov rax, [rbx + UC_FLAGS]
  mov [rel output + 32], rax
  mov rax, [rbx + UC_SELECTORS]
  mov [rel output + 40], rax
  mov [rel output + 48], rbp
  lea rsi, [rbx + UC_GPR]
  lea rdi, [rel output + OUT_GPR]
  mov ecx, 16
  rep movsq
  mov rsi, [rbx + UC_FPSTATE]
  lea rdi, [rel output + OUT_FX]
  mov ecx, 512 / 8
  rep movsq
  mov rsi, [rbx + UC_FPSTATE]
  add rsi, FPSTATE_YMM
  lea rdi, [rel output + OUT_YMM]
  mov ecx, 256 / 8
  rep movsq
  mov rsi, DATA
  lea rdi, [rel output + OUT_DATA]
  mov ecx, 4096 / 8
  rep movsq
  mov edi, 1
  lea rsi, [rel output]
  mov edx, OUT_SIZE
  system WRITE
  cmp rax, OUT_SIZE
  je next
finish:
  xor edi, edi
  system EXIT

return:
  ret                          ; to the restorer
restorer:
  system SIGRETURN

set_timer:
  mov edi, 1                   ; ITIMER_VIRTUAL: a busy host does not count
  xor edx, edx
  system SETITIMER
  ret

align 8
action: dq handler, 0x4c000004, restorer, 0   ; SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTORER
altstack: dq signal_stack, 0, 65536
timer: dq 0, 0, 0, 50000
no_timer: dq 0, 0, 0, 0
; struct user_desc: entry, base, limit, flags (seg_32bit, contents << 1)
ldt_code: dd 0, CODE, 0xffff, 2 << 1
ldt_data: dd 1, BASE16, 0xffff, 1
signals: db 11, 7, 4, 8, 5, SIGVTALRM, 0      ; SEGV, BUS, ILL, FPE, TRAP
end:

absolute end
alignb 64
input: resb IN_SIZE
output: resb OUT_SIZE
frame: resq 5
running: resq 1
alignb 64
resb 4096
stack_top:
signal_stack: resb 65536
memory_end:
