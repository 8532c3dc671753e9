/* A Multiboot kernel that goes wrong in the way that MODE says. */
typedef unsigned int u32;
typedef unsigned short u16;
typedef unsigned char u8;

#define NOINLINE __attribute__((noinline))
enum { WILD_POINTER, LOCK_TWICE, PANIC, STACK_OVERRUN, LOCK_IN_INTERRUPT, NO_END_OF_INTERRUPT, ALL_MASKED, FAULT_FOR_EVER, NO_GUARD, POLLS_TICKS };

static void outb(u16 port, u8 value) { __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }
static void outw(u16 port, u16 value) { __asm__ volatile("outw %0, %1" ::"a"(value), "Nd"(port)); }

static void puts(const char *text) {
  while (*text) outb(0x3f8, *text++);
}

static u32 gdt[6] = {0, 0, 0xffff, 0xcf9a00, 0xffff, 0xcf9200};
static struct { u16 low, selector, type, high; } idt[48];
struct __attribute__((packed)) pointer { u16 limit; u32 base; };
static u32 directory[1024] __attribute__((aligned(4096)));
static u32 low_table[1024] __attribute__((aligned(4096)));
u8 guard[4096] __attribute__((aligned(4096)));
u8 stack[16384] __attribute__((aligned(4096)));
static volatile u32 lock, ticks;

static void map_all_but_guard(void) {
  for (u32 i = 0; i < 1024; i++) low_table[i] = i << 12 | 3;
  low_table[(u32)guard >> 12] = 0;
  directory[0] = (u32)low_table | 3;
  __asm__ volatile("mov %0, %%cr3; mov %%cr0, %%eax; or $0x80000000, %%eax; mov %%eax, %%cr0" ::"r"(directory) : "eax");
}

NOINLINE void panic(const char *why) {
  puts("PANIC: ");
  puts(why);
  puts("\n");
  outw(0x604, 0x2000);
  outw(0xb004, 0x2000);
  for (;;) __asm__ volatile("hlt");
}

NOINLINE void check_heap(u32 blocks) {
  if (blocks > 2) panic("the heap is corrupt");
  puts("heap ok\n");
}

NOINLINE void spin_lock(volatile u32 *one) {
  while (__sync_lock_test_and_set(one, 1)) __asm__ volatile("pause");
}

NOINLINE void take_twice(void) {
  spin_lock(&lock);
  spin_lock(&lock);
  puts("never\n");
}

NOINLINE u32 fill(volatile u32 *wild) {
  *wild = 5;
  return *wild + 1;
}

NOINLINE int descend(int depth) {
  volatile char frame[200];
  frame[0] = depth;
  return descend(depth + 1) + frame[0];
}

void on_timer(void) {
  ticks++;
  if (MODE == POLLS_TICKS) return;
  if (MODE == NO_END_OF_INTERRUPT) return;
  outb(0x20, 0x20);
  take_twice();
}

extern void timer_entry(void);
__asm__("timer_entry: pusha\n call on_timer\n popa\n iret");

NOINLINE void on_fault(void) {
  for (volatile int i = 0; i < 5; i++);
}

extern void fault_entry(void);
__asm__("fault_entry: pusha\n call on_fault\n popa\n add $4, %esp\n iret");

static void enable_timer(void) {
  struct pointer tables = {sizeof gdt - 1, (u32)gdt};
  __asm__ volatile("lgdt %0; ljmp $8, $1f; 1: mov $16, %%eax; mov %%eax, %%ds; mov %%eax, %%es; mov %%eax, %%ss" ::"m"(tables)
                   : "eax");
  u32 entry = (u32)timer_entry;
  idt[32].low = entry, idt[32].selector = 8, idt[32].type = 0x8e00, idt[32].high = entry >> 16;
  struct pointer gates = {sizeof idt - 1, (u32)idt};
  __asm__ volatile("lidt %0" ::"m"(gates));
  /* Automatic end of interrupt where nobody sends one. */
  const u8 pic[] = {0x11, 32, 4, MODE == POLLS_TICKS ? 3 : 1, 0xfe};
  outb(0x20, pic[0]);
  for (int i = 1; i < 5; i++) outb(0x21, pic[i]);
  outb(0xa1, 0xff);
  __asm__ volatile("sti");
}

NOINLINE void busy(void) {
  for (;;) __asm__ volatile("nop");
}

NOINLINE void idle(void) {
  for (;;) __asm__ volatile("hlt");
}

/* Looks with interrupts off, and lets them in between two looks. */
NOINLINE void poll_ticks(void) {
  for (;;) {
    __asm__ volatile("cli");
    if (ticks >= 60) break;
    __asm__ volatile("sti; nop; cli");
  }
  puts("time is up\n");
}

void kmain(void) {
  puts("kernel begins\n");
  if (MODE == NO_GUARD) __asm__ volatile("mov $0x90000, %%esp; push $0; call descend" ::: "memory");
  map_all_but_guard();
  if (MODE == WILD_POINTER) puts(fill((u32 *)0xdeadbeec) ? "yes" : "no");
  if (MODE == LOCK_TWICE) take_twice();
  if (MODE == PANIC) check_heap(3);
  if (MODE == STACK_OVERRUN) puts(descend(0) ? "yes" : "no");
  if (MODE == LOCK_IN_INTERRUPT) {
    enable_timer();
    busy();
  }
  if (MODE == NO_END_OF_INTERRUPT) {
    enable_timer();
    idle();
  }
  if (MODE == FAULT_FOR_EVER) {
    enable_timer();
    __asm__ volatile("cli");
    u32 entry = (u32)fault_entry;
    idt[14].low = entry, idt[14].selector = 8, idt[14].type = 0x8e00, idt[14].high = entry >> 16;
    puts(fill((u32 *)0xdeadbeec) ? "yes" : "no");
  }
  if (MODE == POLLS_TICKS) {
    enable_timer();
    poll_ticks();
  }
  if (MODE == ALL_MASKED) {
    enable_timer();
    outb(0x21, 0xff);
    busy();
  }
}

__asm__(".globl _start\n.align 4\n.long 0x1badb002, 0, -0x1badb002\n_start: mov $stack + 16384, %esp\n xor %ebp, %ebp\n call "
        "kmain\n1: cli\n hlt\n jmp 1b\n");
