/* Says on port E9h what it was told: a Multiboot 2 kernel, or a PVH one with -DPVH; 32 bits. */
typedef unsigned int u32;
typedef unsigned char u8;

static void out(unsigned short port, u8 value) { __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }

static void say(const char *text) {
  while (*text)
    out(0xe9, *text++);
}

static void number(const char *name, u32 value) {
  say(name);
  for (int shift = 28; shift >= 0; shift -= 4)
    out(0xe9, "0123456789abcdef"[(value >> shift) & 15]);
  say("\n");
}

static u32 sum(const u8 *bytes, u32 count) {
  u32 total = 0;
  while (count--)
    total += *bytes++;
  return total & 255;
}

static void range(const u32 *map) {
  number("range ", map[0]);
  number("  bytes ", map[2]);
  number("  type ", map[4]);
}

#ifdef PVH
void kmain(u32 magic, const u32 *info) {
  (void)magic;
  number("magic ", info[0]);
  number("version ", info[1]);
  number("modules ", info[3]);
  say("command line: ");
  say((const char *)info[6]);
  say("\n");
  const u32 *module = (const u32 *)info[4];
  number("module bytes ", module[2]);
  number("module sum ", sum((const u8 *)module[0], module[2]));
  say("RSDP ");
  for (int i = 0; i < 8; i++)
    out(0xe9, ((const char *)info[8])[i]);
  say("\n");
  number("rsdp sum ", sum((const u8 *)info[8], 20));
  for (u32 i = 0; i < info[12]; i++)
    range((const u32 *)info[10] + 6 * i);
  out(0xf4, 0);
}
__asm__(".section .note.Xen, \"a\", @note\n.align 4\n.long 4, 4, 18\n.asciz \"Xen\"\n.long _start\n.text\n");
__asm__(".globl _start\n_start: mov $0x90000, %esp\n push %ebx\n push %eax\n call kmain\n hlt\n");
#else
void kmain(u32 magic, const u8 *info) {
  number("magic ", magic);
  number("total ", ((const u32 *)info)[0] % 8);
  const u8 *at = info + 8;
  while (1) {
    const u32 *tag = (const u32 *)at;
    if (tag[0] == 0)
      break;
    switch (tag[0]) {
      case 1:
        say("command line: ");
        say((const char *)(tag + 2));
        say("\n");
        break;
      case 3:
        number("module bytes ", tag[3] - tag[2]);
        number("module sum ", sum((const u8 *)tag[2], tag[3] - tag[2]));
        say("module line: ");
        say((const char *)(tag + 4));
        say("\n");
        break;
      case 4:
        number("lower ", tag[2]);
        number("upper ", tag[3]);
        break;
      case 6:
        for (u32 i = 0; i < (tag[1] - 16) / 24; i++)
          range(tag + 4 + 6 * i);
        break;
      case 8:
        number("framebuffer ", tag[2]);
        number("  pitch ", tag[4]);
        number("  width ", tag[5]);
        number("  height ", tag[6]);
        number("  bits, kind ", tag[7] & 0xffff);
        number("  colours ", tag[8]);
        /* A white row at the top. */
        if (((tag[7] >> 8) & 255) == 1)
          for (u32 i = 0; i < tag[5]; i++)
            ((volatile u32 *)tag[2])[i] = 0xffffff;
        break;
      case 9: {
        const u32 *names = tag + 5 + 10 * tag[4];
        number("sections ", tag[2]);
        /* .shstrtab is no part of a segment: it was loaded, and its header says where. */
        for (u32 i = 0; i < tag[2]; i++) {
          const u32 *header = tag + 5 + 10 * i;
          const char *name = (const char *)names[3] + header[0];
          if (name[1] == 's' && name[2] == 'y' && name[3] == 'm') {
            say(name);
            say("\n");
          }
        }
        break;
      }
      case 14:
        number("rsdp sum ", sum(at + 8, 20));
        break;
      case 15:
        number("rsdp sum, all ", sum(at + 8, 36));
        break;
    }
    at += (tag[1] + 7) & ~7u;
  }
  number("end ", at + 8 - info == ((const u32 *)info)[0]);
  out(0xf4, 0);
}
__asm__(
    ".align 8\n1: .long 0xe85250d6, 0, 2f - 1b, -(0xe85250d6 + 2f - 1b)\n"
    ".align 8\n .word 1, 0\n .long 20, 4, 6, 9\n"
    ".align 8\n .word 5, 1\n .long 20, 1024, 768, 32\n"
    ".align 8\n .word 0, 0\n .long 8\n2:\n"
    ".globl _start\n_start: mov $0x90000, %esp\n push %ebx\n push %eax\n call kmain\n hlt\n");
#endif
