/* Functions without frame pointers and with frames of several sizes, one of which is reached through a pointer. */
typedef int (*function)(int, int);
volatile int sink;

__attribute__((noinline)) int leaf(int a, int b) {
  volatile char buffer[40];
  for (int i = 0; i < 40; i++) buffer[i] = a;
  __asm__ volatile(".globl here\nhere: nop");
  sink = b;
  return buffer[3];
}

__attribute__((noinline)) int middle(function call, int n) {
  volatile int many[60];
  many[n] = n;
  int r = call(n, 5);
  return r + many[n];
}

__attribute__((noinline)) int outer(int n) {
  int r = middle(leaf, n);
  return r + n;
}

char stack[8192];
__asm__(".globl _start\n.align 4\n.long 0x1badb002, 0, -0x1badb002\n_start: mov $stack + 8192, %esp\n call kmain\n hlt\n");

void kmain(void) {
  sink = outer(0);
  for (;;) __asm__ volatile("hlt");
}
