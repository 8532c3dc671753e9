/* A guest's program that tries to reach what it must not: by sockets, by frames of its own making, and by names.
 *
 *   knock PORT OWN4 OWN6
 *
 * PORT is where somebody of the host's listens, OWN4 and OWN6 are the host's own addresses. Says "sent N" for each way, and
 * "reached ..." where somebody answered. Frames are as RFC 791, 768, 793, 792, 8200 and 4443 have them. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

typedef unsigned char byte;

static const char *const PUBLIC4 = "8.8.8.8", *const PUBLIC6 = "2606:4700:4700::1111";

/* What no guest is to reach: loopback, private, shared, of the link with the clouds' metadata, of documentation and
 * benchmarks, of groups, of nobody. The first are filled in. */
static const char *FOUR[] = {
    "", "127.0.0.1", "127.0.0.2", "127.255.255.254", "10.0.2.2", "10.0.2.3", "10.0.2.4", "10.0.0.1", "10.255.255.254",
    "100.64.0.1", "169.254.169.254", "169.254.1.1", "172.16.0.1", "172.17.0.1", "172.31.255.254", "192.0.0.8", "192.0.2.1",
    "192.88.99.1", "192.168.0.1", "192.168.122.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "0.0.0.0", "0.0.0.1",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "10.0.2.255", 0};
static const char *SIX[] = {
    "", "::1", "::", "fec0::2", "fec0::3", "fe80::2", "fe80::1", "fec0::1:1", "fc00::1", "fd00::1", "fd00:ec2::254",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1",
    "2002:7f00:1::1", "2001:0:7f00:1::1", "2001:db8::1", "100::1", "3fff::1", "ff02::1", "ff05::2", "ff0e::1", 0};
/* By the host's resolver. */
static const char *NAMES[] = {
    "loopback.example", "metadata.example", "private.example", "own.example", "both.example", "mapped.example", "localhost", 0};

static int port, packets, sent;
static byte gateway[6] = {0x52, 0x55, 10, 0, 2, 2}, mac[6];
static struct sockaddr_ll card = {.sll_family = AF_PACKET, .sll_halen = 6};

/* By sockets --------------------------------------------------------------------------------------------------------- */

static socklen_t place(const char *text, int to, struct sockaddr_storage *where) {
  memset(where, 0, sizeof *where);
  struct sockaddr_in *four = (void *)where;
  struct sockaddr_in6 *six = (void *)where;
  if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(to);
    return sizeof *four;
  }
  if (inet_pton(AF_INET6, text, &six->sin6_addr) != 1) return 0;
  six->sin6_family = AF_INET6;
  six->sin6_port = htons(to);
  if (text[0] == 'f' && text[1] == 'e') six->sin6_scope_id = card.sll_ifindex;
  return sizeof *six;
}

static void by_socket(const char *text, int to) {
  struct sockaddr_storage where;
  socklen_t length = place(text, to, &where);
  if (!length) return;
  int tcp = socket(where.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
  connect(tcp, (void *)&where, length);
  struct pollfd wait = {tcp, POLLOUT, 0};
  int error = ETIMEDOUT;
  socklen_t size = sizeof error;
  if (poll(&wait, 1, 200) > 0) getsockopt(tcp, SOL_SOCKET, SO_ERROR, &error, &size);
  if (!error && getpeername(tcp, (void *)&where, &length) == 0) printf("reached tcp %s %d\n", text, to);
  close(tcp);
  place(text, to, &where);
  int udp = socket(where.ss_family, SOCK_DGRAM, 0), on = 1;
  setsockopt(udp, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
  sendto(udp, "knock", 5, 0, (void *)&where, length);
  close(udp);
  sent += 2;
}

/* By frames ---------------------------------------------------------------------------------------------------------- */

static unsigned sum(const void *data, int length, unsigned start) {
  const byte *at = data;
  for (int i = 0; i < length; i++) start += i & 1 ? at[i] : at[i] << 8;
  while (start >> 16) start = (start & 0xffff) + (start >> 16);
  return start;
}

static void seal(byte *field, unsigned value) {
  value = ~value & 0xffff;
  field[0] = value >> 8, field[1] = value;
}

static void frame(int type, const byte *packet, int length) {
  byte whole[1514] = {0};
  memcpy(whole, gateway, 6), memcpy(whole + 6, mac, 6);
  whole[12] = type >> 8, whole[13] = type;
  memcpy(whole + 14, packet, length);
  sendto(packets, whole, length + 14 < 60 ? 60 : length + 14, 0, (void *)&card, sizeof card);
  if (++sent % 16 == 0) usleep(2000);
}

/* A segment, a datagram or an echo, with its checksum; returns its length. `pseudo` is the sum of the addresses. */
static int payload(byte *into, int protocol, unsigned pseudo) {
  static int number;
  int from = 20000 + number++ % 40000, length = protocol == 6 ? 20 : 16, at = protocol == 6 ? 16 : protocol == 17 ? 6 : 2;
  memset(into, 0, 20);
  into[0] = from >> 8, into[1] = from, into[2] = port >> 8, into[3] = port;
  if (protocol == 6) into[12] = 0x50, into[13] = 2, into[14] = 0x20;
  else if (protocol == 17) into[5] = length, memcpy(into + 8, "knocking", 8);
  else into[0] = protocol == 1 ? 8 : 128, into[1] = 0, into[2] = into[3] = 0, into[5] = number;
  seal(into + at, sum(into, length, protocol == 1 ? 0 : pseudo + protocol + length));
  return length;
}

static void packet4(uint32_t from, uint32_t to, int protocol, int field, const byte *options, int extra, const byte *data, int length) {
  byte packet[200] = {0};
  static int id;
  int header = 20 + extra;
  if (!(field & 0x1fff)) id++;
  packet[0] = 0x40 | header / 4, packet[2] = (header + length) >> 8, packet[3] = header + length;
  packet[4] = id >> 8, packet[5] = id, packet[6] = field >> 8, packet[7] = field, packet[8] = 64, packet[9] = protocol;
  memcpy(packet + 12, &from, 4), memcpy(packet + 16, &to, 4);
  if (extra) memcpy(packet + 20, options, extra);
  seal(packet + 10, sum(packet, header, 0));
  memcpy(packet + header, data, length);
  frame(0x0800, packet, header + length);
}

static void by_frame4(const char *source, const char *destination) {
  static const int PLAIN[] = {6, 17, 1}, OTHERS[] = {2, 4, 41, 47, 50, 132, 136, 255};
  uint32_t from = inet_addr(source), to = inet_addr(destination), outside = inet_addr("9.9.9.9");
  unsigned pseudo = sum(&from, 4, sum(&to, 4, 0));
  byte data[100];
  for (int i = 0; i < 3; i++) {
    int length = payload(data, PLAIN[i], pseudo);
    packet4(from, to, PLAIN[i], 0, 0, 0, data, length);
    /* In two fragments, the first too short for a header's flags, the second first; and a second that covers the first. */
    packet4(from, to, PLAIN[i], 0x2000, 0, 0, data, 8);
    packet4(from, to, PLAIN[i], 1, 0, 0, data + 8, length - 8);
    length = payload(data, PLAIN[i], pseudo);
    packet4(from, to, PLAIN[i], 0x2000, 0, 0, data, 16);
    packet4(from, to, PLAIN[i], 1, 0, 0, data + 8, length - 8);
    /* By a stranger, who is to send it on (loose source routing). */
    byte route[8] = {131, 7, 4};
    memcpy(route + 3, &to, 4);
    packet4(from, inet_addr("10.0.2.2"), PLAIN[i], 0, route, 8, data, length);
  }
  /* One packet in another, for a router that opens it. */
  byte inner[40] = {0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6};
  memcpy(inner + 12, &from, 4), memcpy(inner + 16, &to, 4);
  payload(inner + 20, 6, pseudo);
  seal(inner + 10, sum(inner, 20, 0));
  for (unsigned i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++) {
    packet4(from, to, OTHERS[i], 0, 0, 0, inner, 40);
    packet4(from, outside, OTHERS[i], 0, 0, 0, inner, 40);
  }
}

static void packet6(const byte *from, const byte *to, int next, const byte *data, int length) {
  byte packet[200] = {0x60};
  packet[4] = length >> 8, packet[5] = length, packet[6] = next, packet[7] = 64;
  memcpy(packet + 8, from, 16), memcpy(packet + 24, to, 16), memcpy(packet + 40, data, length);
  frame(0x86dd, packet, 40 + length);
}

static void by_frame6(const char *source, const char *destination) {
  static const int PLAIN[] = {6, 17, 58}, EXTENSIONS[] = {0, 60};
  static byte id;
  byte from[16], to[16], router[16], data[120];
  if (inet_pton(AF_INET6, source, from) != 1 || inet_pton(AF_INET6, destination, to) != 1) return;
  inet_pton(AF_INET6, "fec0::2", router);
  unsigned pseudo = sum(from, 16, sum(to, 16, 0));
  for (int i = 0; i < 3; i++) {
    int length = payload(data, PLAIN[i], pseudo);
    packet6(from, to, PLAIN[i], data, length);
    for (int extension = 0; extension < 2; extension++) {
      byte whole[60] = {PLAIN[i], 0, 1, 4};
      memcpy(whole + 8, data, length);
      packet6(from, to, EXTENSIONS[extension], whole, 8 + length);
    }
    /* In two fragments; and by the router, who is to send it on (type 0, RFC 5095 forbids it). */
    byte piece[60] = {PLAIN[i], 0, 0, 1, 0, 0, 0, ++id};
    memcpy(piece + 8, data, 8);
    packet6(from, to, 44, piece, 16);
    piece[3] = 8;
    memcpy(piece + 8, data + 8, length - 8);
    packet6(from, to, 44, piece, length);
    byte route[80] = {PLAIN[i], 2, 0, 1};
    memcpy(route + 8, to, 16), memcpy(route + 24, data, length);
    packet6(from, router, 43, route, 24 + length);
  }
  byte inner[60] = {0x60, 0, 0, 0, 0, 20, 6, 64};
  memcpy(inner + 8, from, 16), memcpy(inner + 24, to, 16);
  payload(inner + 40, 6, pseudo);
  packet6(from, router, 41, inner, 60);
}

/* By names ----------------------------------------------------------------------------------------------------------- */

/* One question (RFC 1035 4); knocks at each address that the answer has. */
static void by_name(const char *name, int type) {
  byte message[512] = {1, (byte)type, 1, 0, 0, 1};
  int end = 12, asked;
  for (const char *label = name; *label;) {
    int length = strcspn(label, ".");
    message[end++] = length;
    memcpy(message + end, label, length);
    end += length, label += length + (label[length] == '.');
  }
  message[end + 2] = type, message[end + 4] = 1;
  asked = end + 5;
  int udp = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_storage where;
  socklen_t length = place("10.0.2.3", 53, &where);
  sendto(udp, message, asked, 0, (void *)&where, length);
  struct pollfd wait = {udp, POLLIN, 0};
  int size = poll(&wait, 1, 3000) > 0 ? recv(udp, message, sizeof message, 0) : 0;
  close(udp);
  if (size < 12) {
    printf("no answer for %s\n", name);
    return;
  }
  printf("%s has %d\n", name, message[7]);
  /* The names of answers are pointers or the whole name again. */
  for (int at = asked, left = message[7]; left > 0 && at + 12 < size; left--) {
    if (message[at] >= 0xc0) at += 2;
    else while (at < size && message[at++]) at += message[at - 1];
    int bytes = message[at + 8] << 8 | message[at + 9];
    char text[INET6_ADDRSTRLEN];
    if ((bytes == 4 || bytes == 16) && at + 10 + bytes <= size) {
      printf("%s is %s\n", name, inet_ntop(bytes == 4 ? AF_INET : AF_INET6, message + at + 10, text, sizeof text));
      by_socket(text, port);
    }
    at += 10 + bytes;
  }
  sent++;
}

int main(int count, char **words) {
  if (count < 4) return 2;
  setvbuf(stdout, 0, _IOLBF, 0);
  port = atoi(words[1]);
  FOUR[0] = words[2], SIX[0] = words[3];
  packets = socket(AF_PACKET, SOCK_RAW, 0);
  struct ifreq request = {.ifr_name = "eth0"};
  ioctl(packets, SIOCGIFINDEX, &request);
  card.sll_ifindex = request.ifr_ifindex;
  ioctl(packets, SIOCGIFHWADDR, &request);
  memcpy(mac, request.ifr_hwaddr.sa_data, 6);

  /* Who may be reached, so that it is seen that knocks arrive. */
  by_socket(PUBLIC4, port), by_socket(PUBLIC6, port);
  printf("public: sent %d\n", sent), sent = 0;
  const int ports[] = {port, 22, 80};
  for (int i = 0; FOUR[i]; i++)
    for (int k = 0; k < 3; k++)
      /* The guest's kernel keeps 127.0.0.0/8 to itself, and the LAN serves HTTP at its own addresses. */
      if (strncmp(FOUR[i], "127.", 4) && strcmp(FOUR[i], "0.0.0.0") && !(k == 2 && !strncmp(FOUR[i], "10.0.2.", 7) && FOUR[i][8] == 0))
        by_socket(FOUR[i], ports[k]);
  for (int i = 0; SIX[i]; i++)
    if (strcmp(SIX[i], "::1") && strcmp(SIX[i], "::") && strcmp(SIX[i], "::ffff:127.0.0.1")) by_socket(SIX[i], port);
  printf("sockets: sent %d\n", sent), sent = 0;

  const char *forged4[] = {"10.0.2.15", "10.0.2.2", "10.0.2.99", "127.0.0.1", words[2], "0.0.0.0", "255.255.255.255", "224.0.0.1", PUBLIC4, 0};
  for (int i = 0; FOUR[i]; i++) {
    for (int k = 0; forged4[k]; k++) by_frame4(forged4[k], FOUR[i]);
    by_frame4(FOUR[i], FOUR[i]);
  }
  const char *forged6[] = {"fec0::15", "fe80::1234", "fec0::2", "::1", words[3], "::", "ff02::1", PUBLIC6, 0};
  for (int i = 0; SIX[i]; i++) {
    for (int k = 0; forged6[k]; k++) by_frame6(forged6[k], SIX[i]);
    by_frame6(SIX[i], SIX[i]);
  }
  printf("frames: sent %d\n", sent), sent = 0;

  for (int i = 0; NAMES[i]; i++) by_name(NAMES[i], 1), by_name(NAMES[i], 28);
  printf("names: sent %d\n", sent);
  return 0;
}
