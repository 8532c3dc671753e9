import { expect, test } from 'vitest'
import { fromQemu } from '../../../harness/cli/qemu-options.js'

const VALUED = ['--keys', '--append', '--serial']
const ours = (line: string) => fromQemu(line.split(' '), (option) => VALUED.includes(option)).join(' ')

test.each([
  ['-hda disk.img -cdrom install.iso -boot d -m 512', '--disk disk.img --cdrom install.iso --boot d -m 512'],
  ['-fda a.img -fdb b.img -nographic', '--floppy a.img --floppy b.img --serial stdio'],
  ['-kernel bzImage -initrd root.gz -append console=ttyS0', '--kernel bzImage --initrd root.gz --append console=ttyS0'],
  ['-drive file=a.iso,media=cdrom', '--drive file=a.iso,media=cdrom'],
  ['-machine pc,accel=kvm -rtc base=2026-01-31', '--engine kvm --epoch 2026-01-31'],
  ['-bios b.bin -no-fd-bootchk', '--bios b.bin --no-fd-check'],
  ['-serial file:out.txt -debugcon stdio -monitor none', '--serial file:out.txt --debugcon stdio'],
  ['-accel tcg -smp 4 -cpu max', '--engine soft --smp 4 --cpu max'],
  ['-enable-kvm -M pc -vga std -display none', '--engine kvm --vga std'],
  [
    '-device isa-debug-exit,iobase=0xf4,iosize=0x04 -no-reboot -snapshot',
    '--device isa-debug-exit,iobase=0xf4,iosize=0x04 --until-exit',
  ],
  [
    '--hda disk.img --nographic --snapshot s --cdrom a.iso',
    '--disk disk.img --serial stdio --snapshot s --cdrom a.iso',
  ],
  [
    '-virtfs local,path=/tmp,mount_tag=host0,security_model=none,readonly=on',
    '--device virtio-9p-pci,path=/tmp,mount_tag=host0',
  ],
  [
    '-fsdev local,id=f,path=/tmp,security_model=none -device virtio-9p-pci,fsdev=f,mount_tag=host0',
    '--device virtio-9p-pci,path=/tmp,mount_tag=host0',
  ],
  [
    '-serial chardev:c -mon chardev=c,mode=readline -device isa-debugcon,iobase=0xe9,chardev=c -chardev stdio,id=c,mux=on,signal=off',
    '--serial stdio --debugcon stdio',
  ],
  [
    '-chardev socket,id=q,path=q.sock,server=on,wait=off -mon chardev=q,mode=control -chardev file,id=f,path=a.txt -serial chardev:f',
    '--qmp unix:q.sock,server=on,wait=off --serial file:a.txt',
  ],
  ['-k de -nic none -net none -rtc base=utc -serial null', '--layout de --epoch utc --serial null'],
  ['-m size=512M,slots=2 -nodefaults -name x', '-m 512M'],
  ['disk.img --engine soft -h', 'disk.img --engine soft -h'],
  ['-monitor stdio -qmp unix:q,server', '--monitor stdio --qmp unix:q,server'],
  ['-s -S -hda disk.img', '--gdb :1234 --paused --disk disk.img'],
  ['-d int,cpu_reset -D q.log -dfilter 1+2', '--log int,cpu_reset --log-file q.log --log-range 1+2'],
  ['-nic user,model=rtl8139,tftp=boot,bootfile=/pxelinux.0', '--nic rtl8139,net=user --tftp boot,bootfile=/pxelinux.0'],
  ['-net nic,macaddr=52:54:00:00:00:01 -net user,tftp=boot', '--nic e1000,mac=52:54:00:00:00:01 --tftp boot'],
  ['-gdb tcp::4321 -fda a.img', '--gdb tcp::4321 --floppy a.img'],
])('%s', (qemu, own) => {
  expect(ours(qemu)).toBe(own)
})

test('what follows an option of ours is its value', () => {
  expect(ours('--keys -hda --append -nographic -m 512')).toBe('--keys -hda --append -nographic -m 512')
})

test.each([
  ['-hda', '-hda needs a value'],
  ['-machine q35', '-machine q35 is nothing that this machine has'],
  ['-pflash OVMF.fd', '--bios FILE is another BIOS'],
  ['-nic tap', "into that with a way out by the host's sockets (user)"],
  ['-nic user,bootfile=x', 'bootfile names a file of tftp=FOLDER; add that'],
  ['-nic user,smb=/tmp', 'smb is not taken: no server here speaks SMB'],
  ['-nic model=help', "'bootwright devices' lists the cards"],
  ['-net user,hostfwd=tcp::2222-:22', "'hostfwd' is said of a card; write -nic user,hostfwd=tcp::2222-:22,model=e1000"],
  ['-object filter-dump,id=f,netdev=n,file=f', 'as in --nic e1000,pcap=FILE'],
  ['-trace x', '--log help lists what there is'],
  ['-mon x', "-mon x names chardev 'x', which is not there"],
  ['-display gtk', '--ui shows the screen in the browser'],
  ['-loadvm s', '--snapshot F goes on'],
  ['-virtfs synth,mount_tag=t', 'it takes local,path=FOLDER'],
  ['-device virtio-9p-pci,fsdev=g,mount_tag=t', "fsdev 'g', which is not there"],
  ['-serial chardev:d', "chardev 'd', which is not there; add -chardev stdio,id=d"],
  ['-mem-path /dev/shm', 'the machine is the same one in every run'],
  ['-global isa-fdc.x=y', '--device TYPE,PROPERTY=VALUE'],
])('%s is refused', (qemu, sentence) => {
  expect(() => ours(qemu)).toThrow(sentence)
})
