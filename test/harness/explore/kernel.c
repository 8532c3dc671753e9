/* A Multiboot kernel on two CPUs with a race, which RACE names. Each is a few instructions wide. */
typedef unsigned int u32;
typedef unsigned short u16;
typedef unsigned char u8;
#define NOINLINE __attribute__((noinline))

enum { MISSING_LOCK, LOST_WAKEUP, ABA };

static void outb(u16 port, u8 value) { __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }
static void pause(void) { __asm__ volatile("pause" ::: "memory"); }

static void puts(const char *text) {
  while (*text) outb(0x3f8, *text++);
}

/* Something to do, of no interest to the other CPU. */
static volatile u32 done[2];
static NOINLINE void work(u32 n) {
  u32 sum = n;
  for (u32 i = 0; i < 40 + n % 7; i++) sum = sum * 31 + i;
  done[n & 1] = sum;
}

static volatile u32 begun, ended, wrong;

/* Two CPUs count together, and one of them forgets the lock in one place. */
#define COUNTS 300
static volatile u32 counter;

static void count(void) {
  for (u32 i = 0; i < COUNTS; i++) {
    work(i);
    counter = counter + 1;
  }
}

static void check_count(void) {
  if (counter != 2 * COUNTS) wrong = 1;
}

/* The one that waits looks for work, and then says that it sleeps: what comes in between wakes nobody. */
#define ITEMS 100
static volatile u32 items, taken, asleep;

static void produce(void) {
  for (u32 i = 0; i < ITEMS; i++) {
    work(i);
    items = 1;
    if (asleep) asleep = 0;
    while (taken <= i) pause();
  }
}

static void consume(void) {
  while (taken < ITEMS) {
    if (items == 0) {
      asleep = 1;
      while (asleep) pause();
      continue;
    }
    items = 0;
    taken++;
    work(taken);
  }
}

/* A stack of nodes without a lock; a compare-and-swap takes a top that has been away for the one that it saw. */
struct node { struct node *volatile next; volatile u32 owned; };
static struct node nodes[3];
static struct node *volatile top;

static void push(struct node *node) {
  do node->next = top;
  while (!__sync_bool_compare_and_swap(&top, node->next, node));
}

static NOINLINE struct node *pop(void) {
  for (;;) {
    struct node *seen = top;
    if (!seen) return 0;
    struct node *next = seen->next;
    if (__sync_bool_compare_and_swap(&top, seen, next)) return seen;
  }
}

static struct node *take(void) {
  struct node *node = pop();
  if (node && __sync_fetch_and_add(&node->owned, 1)) wrong = 1;
  return node;
}

static void give(struct node *node) {
  __sync_fetch_and_sub(&node->owned, 1);
  push(node);
}

static void use_one(void) {
  for (u32 i = 0; i < 400 && !wrong; i++) {
    struct node *node = take();
    work(i);
    if (node) give(node);
  }
}

/* What it took first comes back first: so the top is the same, and what is below is not. */
static void use_two(void) {
  for (u32 i = 0; i < 400 && !wrong; i++) {
    struct node *a = take(), *b = take();
    if (a) give(a);
    work(i);
    if (b) give(b);
  }
}

static void run(u32 cpu) {
  __sync_fetch_and_add(&begun, 1);
  while (begun < 2) pause();
  if (RACE == MISSING_LOCK) count();
  if (RACE == LOST_WAKEUP) cpu ? consume() : produce();
  if (RACE == ABA) cpu ? use_two() : use_one();
  __sync_fetch_and_add(&ended, 1);
}

void second(void) {
  run(1);
  for (;;) __asm__ volatile("cli; hlt");
}

extern u8 trampoline[], trampoline_end[];
static volatile u32 *const apic = (volatile u32 *)0xfee00000;

void kmain(void) {
  for (u32 i = 0; i < 3; i++) push(&nodes[i]);
  for (u8 *from = trampoline, *to = (u8 *)0x8000; from < trampoline_end;) *to++ = *from++;
  puts("go\n");
  apic[0xf0 / 4] = 0x1ff;
  apic[0x300 / 4] = 0xc4500;
  for (u32 i = 0; i < 1000; i++) pause();
  apic[0x300 / 4] = 0xc4608;
  run(0);
  while (ended < 2) pause();
  if (RACE == MISSING_LOCK) check_count();
  puts(wrong ? "wrong\n" : "right\n");
  outb(0xf4, wrong ? 1 : 0);
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
