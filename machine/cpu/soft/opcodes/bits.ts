/** Bit manipulation rows (Intel SDM vol. 2, tables ). */
import type { GoesOn, Row } from './row.js'

export const goesOn: GoesOn = 1

export const from = ['bits', 'vex']

const plain: Row[] = [
  ['f3 0f b8', 'Gv,Ev', 'popcount<T>(op, MEM)', 'if=popcnt'],
  ['f3 0f bc', 'Gv,Ev', 'tzcnt<T>(op, MEM)'],
  ['f3 0f bd', 'Gv,Ev', 'lzcnt<T>(op, MEM)'],

  ['np 0f38 f0', 'Gv,Mv', 'movbe_G_M<T>(op)', 'if=movbe'],
  ['66 0f38 f0', 'Gv,Mv', 'movbe_G_M<T>(op)', 'if=movbe'],
  ['np 0f38 f1', 'Mv,Gv', 'movbe_M_G<T>(op)', 'if=movbe'],
  ['66 0f38 f1', 'Mv,Gv', 'movbe_M_G<T>(op)', 'if=movbe'],
  ['f2 0f38 f0', 'Gd,Eb', 'crc32<u8>(op, MEM)', 'if=sse4.2'],
  ['f2 0f38 f1', 'Gv,Ev', 'crc32<T>(op, MEM)', 'if=sse4.2'],

  ['66 0f38 f6', 'Gy,Ey', 'adcx<T>(op, MEM)', 'if=adx'],
  ['f3 0f38 f6', 'Gy,Ey', 'adox<T>(op, MEM)', 'if=adx'],

  ['np 0f c7 /6 reg', 'Rv', 'random<T>(op)', 'if=rdrand'],
  ['66 0f c7 /6 reg', 'Rv', 'random<T>(op)', 'if=rdrand'],
  ['np 0f c7 /7 reg', 'Rv', 'random<T>(op)', 'if=rdseed'],
  ['66 0f c7 /7 reg', 'Rv', 'random<T>(op)', 'if=rdseed'],
]

const vex: Row[] = [
  ['vex.128 np 0f38 f2', 'Gy,B,Ey', 'andn<T>(op, MEM)', 'if=bmi1'],
  ['vex.128 np 0f38 f3 /1', 'B,Ey', 'lowest_bit<T>(op, MEM, 1)', 'if=bmi1'],
  ['vex.128 np 0f38 f3 /2', 'B,Ey', 'lowest_bit<T>(op, MEM, 2)', 'if=bmi1'],
  ['vex.128 np 0f38 f3 /3', 'B,Ey', 'lowest_bit<T>(op, MEM, 3)', 'if=bmi1'],
  ['vex.128 np 0f38 f7', 'Gy,Ey,B', 'bextr<T>(op, MEM)', 'if=bmi1'],

  ['vex.128 np 0f38 f5', 'Gy,Ey,B', 'bzhi<T>(op, MEM)', 'if=bmi2'],
  ['vex.128 f2 0f38 f6', 'Gy,B,Ey', 'mulx<T>(op, MEM)', 'if=bmi2'],
  ['vex.128 f2 0f38 f5', 'Gy,B,Ey', 'pdep<T>(op, MEM)', 'if=bmi2'],
  ['vex.128 f3 0f38 f5', 'Gy,B,Ey', 'pext<T>(op, MEM)', 'if=bmi2'],
  ['vex.128 f2 0f3a f0', 'Gy,Ey,Ib', 'rorx<T>(op, MEM)', 'if=bmi2'],
  ['vex.128 66 0f38 f7', 'Gy,Ey,B', 'shift_E_B<T>(op, MEM, 0)', 'if=bmi2'],
  ['vex.128 f2 0f38 f7', 'Gy,Ey,B', 'shift_E_B<T>(op, MEM, 1)', 'if=bmi2'],
  ['vex.128 f3 0f38 f7', 'Gy,Ey,B', 'shift_E_B<T>(op, MEM, 2)', 'if=bmi2'],
]

export const rows: Row[] = [
  ...plain,
  ...vex.map(([where, operands, call, flags]): Row => [where, operands, `checkVex(); ${call}`, flags]),
]
