/* A Multiboot kernel on two CPUs, which count together under a lock. Without it, explore finds the race. */
typedef unsigned int u32;
typedef unsigned char u8;
enum { COUNTS = 300 };

static volatile u32 lock, counter, ended;
static volatile u32 *const apic = (volatile u32 *)0xfee00000;
extern u8 trampoline[], trampoline_end[];

static void outb(unsigned short port, u8 value) { __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }
static void pause(void) { __asm__ volatile("pause" ::: "memory"); }

static void puts(const char *text) {
  while (*text) outb(0x3f8, *text++);
}

static void acquire(void) {
  while (__sync_lock_test_and_set(&lock, 1)) pause();
}

static void count(void) {
  for (u32 i = 0; i < COUNTS; i++) {
    acquire();
    counter = counter + 1;
    __sync_lock_release(&lock);
    for (volatile u32 j = 0; j < 40; j++) {}
  }
  __sync_fetch_and_add(&ended, 1);
}

void second(void) {
  count();
  for (;;) __asm__ volatile("cli; hlt");
}

static void report_bug(void) {
  puts("wrong\n");
  outb(0xf4, 1);
}

void kmain(void) {
  for (u8 *from = trampoline, *to = (u8 *)0x8000; from < trampoline_end;) *to++ = *from++;
  puts("go\n");
  apic[0xf0 / 4] = 0x1ff;
  apic[0x300 / 4] = 0xc4500; /* INIT to the other one, */
  for (u32 i = 0; i < 1000; i++) pause();
  apic[0x300 / 4] = 0xc4608; /* and its start at 8000h */
  count();
  while (ended < 2) pause();
  if (counter != 2 * COUNTS) report_bug();
  puts("right\n");
  outb(0xf4, 0);
}

__asm__(".globl _start\n.align 4\n.long 0x1badb002, 0, -0x1badb002\n"
        "_start: mov $0x90000, %esp\n xor %ebp, %ebp\n call kmain\n1: hlt\n jmp 1b\n"
        ".globl trampoline, trampoline_end\n.code16\n"
        "trampoline: cli\n xor %ax, %ax\n mov %ax, %ds\n lgdtl 0x8000 + pointer - trampoline\n mov %cr0, %eax\n or $1, %al\n"
        " mov %eax, %cr0\n ljmpl $8, $enter\n"
        ".align 8\ntable: .quad 0, 0x00cf9a000000ffff, 0x00cf92000000ffff\n"
        "pointer: .word 23\n .long 0x8000 + table - trampoline\ntrampoline_end:\n"
        ".code32\nenter: mov $16, %eax\n mov %eax, %ds\n mov %eax, %es\n mov %eax, %ss\n mov $0x80000, %esp\n xor %ebp, %ebp\n"
        " call second\n");
