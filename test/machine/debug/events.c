/* A Multiboot kernel that does a known number of things that a debugger may want to stop at. */
typedef unsigned int u32;
typedef unsigned short u16;
typedef unsigned char u8;

static u32 gdt[6] = {0, 0, 0xffff, 0xcf9a00, 0xffff, 0xcf9200};
static struct { u16 low, selector, type, high; } idt[49];
struct __attribute__((packed)) pointer { u16 limit; u32 base; };
u8 stack[16384] __attribute__((aligned(4096)));
volatile u32 undefined, called, sum;

extern void undefined_entry(void), call_entry(void);
static inline __attribute__((always_inline)) void gate(int vector, void (*entry)(void)) {
  u32 at = (u32)entry;
  idt[vector].low = at, idt[vector].selector = 8, idt[vector].type = 0x8e00, idt[vector].high = at >> 16;
}

void kmain(void) {
  struct pointer tables = {sizeof gdt - 1, (u32)gdt}, gates = {sizeof idt - 1, (u32)idt};
  __asm__ volatile("lgdt %0; ljmp $8, $1f; 1: mov $16, %%eax; mov %%eax, %%ds; mov %%eax, %%es; mov %%eax, %%ss" ::"m"(tables)
                   : "eax");
  gate(6, undefined_entry);
  gate(48, call_entry);
  __asm__ volatile("lidt %0" ::"m"(gates));
  for (u32 n = 0; n < 300; n++) {
    u32 low, high;
    u8 value;
    sum += n;
    __asm__ volatile("ud2");
    __asm__ volatile("int $48; int $48");
    __asm__ volatile("outb %0, $0x80; outb %0, $0x70" ::"a"((u8)0x0f));
    __asm__ volatile("inb $0x71, %0" : "=a"(value));
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(0x174));
    __asm__ volatile("wrmsr" ::"a"(n), "d"(0), "c"(0x174));
    sum += value + low;
  }
  __asm__ volatile("outb %0, $0xf4" ::"a"((u8)0x10));
}


__asm__("undefined_entry: incl undefined\n addl $2, (%esp)\n iret\ncall_entry: incl called\n iret");

__asm__(".globl _start\n.align 4\n.long 0x1badb002, 0, -0x1badb002\n_start: mov $stack + 16384, %esp\n xor %ebp, %ebp\n call "
        "kmain\n1: cli\n hlt\n jmp 1b\n");
