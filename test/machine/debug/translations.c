/* A Multiboot kernel that changes page tables and does not always tell: what it reads then shows each walk of the CPU's. */
typedef unsigned int u32;
typedef unsigned char u8;
typedef unsigned short u16;

static u32 directory[1024] __attribute__((aligned(4096)));
static u32 tables[2][1024] __attribute__((aligned(4096)));
u8 stack[16384] __attribute__((aligned(4096)));
volatile u32 seen[4096];

static void outb(u16 port, u8 value) { __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }

void kmain(void) {
  for (u32 i = 0; i < 2048; i++) tables[i >> 10][i & 1023] = i << 12 | 3;
  directory[0] = (u32)tables[0] | 3;
  directory[1] = (u32)tables[1] | 3;
  __asm__ volatile("mov %0, %%cr3; mov %%cr0, %%eax; or $0x80000000, %%eax; mov %%eax, %%cr0" ::"r"(directory) : "eax");
  volatile u32 *page = (volatile u32 *)0x500000, *entry = &tables[1][0x100];
  u32 at = 0;
  for (u32 n = 0; n < 400; n++) {
    if (n % 7 == 0) page[n & 1023] = n;
    seen[at++] = page[n & 1023] + page[3];
    page[3] += n;
    __asm__ volatile("lock incl %0" : "+m"(page[5]));
    __asm__ volatile("rep stosl" ::"D"(page + 512), "a"(n), "c"(n & 15) : "memory");
    seen[at++] = *entry;
    if (n % 5 == 0) *entry &= ~0x60;
    if (n % 11 == 0) *entry = (*entry & 0xfff) | (0x500 + (n & 3)) << 12;
    if (n % 13 == 0) __asm__ volatile("invlpg (%0)" ::"r"(page));
    if (n % 101 == 0) __asm__ volatile("mov %%cr3, %%eax; mov %%eax, %%cr3" ::: "eax");
    seen[at++] = page[5];
  }
  outb(0xf4, 0x10);
}

__asm__(".globl _start\n.align 4\n.long 0x1badb002, 0, -0x1badb002\n_start: mov $stack + 16384, %esp\n xor %ebp, %ebp\n call "
        "kmain\n1: cli\n hlt\n jmp 1b\n");
