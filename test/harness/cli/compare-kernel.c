/* Counts up to LIMIT. What is before the line that has it takes the same time with every LIMIT. */
static volatile unsigned total;

static void out(unsigned short port, unsigned char value) { __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }

__attribute__((noinline)) static void warm(void) {
  for (unsigned i = 0; i < 5000; i++)
    total ^= i;
}

__attribute__((noinline)) static int advance(unsigned n) {
  unsigned next = n + 1;
  total += next;
  if (next < LIMIT)
    return 1;
  return 0;
}

void kmain(void) {
  warm();
  for (unsigned n = 800; advance(n); n++) {
  }
  out(0xf4, 0);
}

__asm__(".globl _start\n.align 4\n.long 0x1badb002, 0, -0x1badb002\n_start: mov $0x90000, %esp\n call kmain\n hlt\n");
