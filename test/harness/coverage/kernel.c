/* Branches, loops and calls, on bare metal as a Multiboot kernel and, with HOSTED, as a program that gcov counts. */
typedef unsigned int u32;
typedef unsigned char u8;
#define NOINLINE __attribute__((noinline))

#ifdef HOSTED
#define outb(port, value) (total = (value))
#else
static void out(unsigned short port, u8 value) { __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }
#define outb(port, value) out(port, value)
#endif

static volatile u32 total;

NOINLINE u32 collatz(u32 n) {
  u32 steps = 0;
  while (n != 1) {
    if (n & 1)
      n = 3 * n + 1;
    else
      n /= 2;
    steps++;
    if (steps > 1000)
      return 0;
  }
  return steps;
}

NOINLINE const char *kind(u32 n) {
  switch (n % 5) {
    case 0:
      return "five";
    case 1:
      total += 1;
      break;
    case 2:
      total += 2;
      return "two";
    default:
      if (n > 100) {
        total = 0;
        return "large";
      }
  }
  return "other";
}

NOINLINE void never(u32 n) {
  for (u32 i = 0; i < n; i++)
    total ^= i;
}

NOINLINE u32 either(u32 a, u32 b) {
  if (a > b && total > 100000)
    return a;
  return a < b ? a : b;
}

void kmain(void) {
  for (u32 n = 1; n < 20; n++) {
    total += collatz(n);
    if (n == 7 || n == 11)
      kind(n);
  }
  kind(15);
  if (either(3, 4) == 17)
    never(3);
  outb(0xf4, 0);
}

#ifdef HOSTED
int main(void) {
  kmain();
  return 0;
}
#else
__asm__(".globl _start\n.align 4\n.long 0x1badb002, 0, -0x1badb002\n_start: mov $0x90000, %esp\n call kmain\n hlt\n");
#endif
