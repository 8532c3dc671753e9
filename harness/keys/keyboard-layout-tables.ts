/**
 * What each key of each keyboard layout types, level by level.
 *
 * Sources: XKB's `us`, `us(intl)`, `us(dvorak)`, `gb`, `de`, `fr`, `es`, `latam`, `it`, `pt`, `br`, `ch`, `be`, `se`,
 * `no`, `dk`, `fi`, `pl`, `cz`, `hu`, `tr`, `ru` and `jp` (xkb-data 2.35), which Linux's console and its desktops take,
 * and Microsoft's layouts of the same countries. Where the two differ only what types the same in both is used; what
 * cannot be had both ways is XKB's: `~` and `` ` `` of `fr`, `es`, `pl`, `tr` and `^` of `cz`, `hu`, `tr`, which are dead
 * keys on Windows, and `¦` of `uk`. A test types every character through libxkbcommon.
 */

/** W3C codes in the order of the rows: a keyboard of 102 keys, and two more that Brazil's and Japan's have. */
export const KEYS: readonly (readonly string[])[] = [
  // biome-ignore format: one row
  [
    'Backquote', 'Digit1', 'Digit2', 'Digit3', 'Digit4', 'Digit5', 'Digit6', 'Digit7', 'Digit8', 'Digit9', 'Digit0',
    'Minus', 'Equal',
  ],
  [...Array.from('QWERTYUIOP', (letter) => `Key${letter}`), 'BracketLeft', 'BracketRight'],
  [...Array.from('ASDFGHJKL', (letter) => `Key${letter}`), 'Semicolon', 'Quote', 'Backslash'],
  ['IntlBackslash', ...Array.from('ZXCVBNM', (letter) => `Key${letter}`), 'Comma', 'Period', 'Slash'],
  ['IntlRo', 'IntlYen'],
]

// Dead keys stand in the rows as these letters of the private use area, because combining marks cannot be read there.
const GRAVE = '\ue000'
const ACUTE = '\ue001'
const CIRCUMFLEX = '\ue002'
const DIAERESIS = '\ue003'
const TILDE = '\ue004'
const CARON = '\ue005'
const RING = '\ue006'

/** Dead key to its combining mark and to the character it types before a space. */
export const DEAD_KEYS: { readonly [dead: string]: { mark: string; alone: string } } = {
  [GRAVE]: { mark: '\u0300', alone: '`' },
  [ACUTE]: { mark: '\u0301', alone: '´' },
  [CIRCUMFLEX]: { mark: '\u0302', alone: '^' },
  [DIAERESIS]: { mark: '\u0308', alone: '¨' },
  [TILDE]: { mark: '\u0303', alone: '~' },
  [CARON]: { mark: '\u030c', alone: 'ˇ' },
  [RING]: { mark: '\u030a', alone: '°' },
}

/** The levels, each as rows with a character a key in the order of `KEYS`; a space is no character. */
export interface Rows {
  plain: readonly string[]
  shift: readonly string[]
  altgr?: readonly string[]
  shiftAltgr?: readonly string[]
  /** Dead keys that type another character before a space than `DEAD_KEYS` says. */
  alone?: { readonly [dead: string]: string }
}

export const ROWS = {
  us: {
    plain: ['`1234567890-=', 'qwertyuiop[]', "asdfghjkl;'\\", ' zxcvbnm,./'],
    shift: ['~!@#$%^&*()_+', 'QWERTYUIOP{}', 'ASDFGHJKL:"|', ' ZXCVBNM<>?'],
  },
  'us-intl': {
    plain: [`${GRAVE}1234567890-=`, 'qwertyuiop[]', `asdfghjkl;${ACUTE}\\`, ' zxcvbnm,./'],
    shift: [`${TILDE}!@#$%${CIRCUMFLEX}&*()_+`, 'QWERTYUIOP{}', `ASDFGHJKL:${DIAERESIS}|`, ' ZXCVBNM<>?'],
    altgr: [' ¡²³¤€¼½¾‘’¥×', 'äåé®þüúíóö«»', 'áßð     ø¶ ¬', ' æ ©  ñµç ¿'],
    shiftAltgr: [' ¹  £       ÷', 'ÄÅÉ ÞÜÚÍÓÖ  ', 'Á§Ð     Ø° ¦', ' Æ ¢  Ñ Ç  '],
    alone: { [ACUTE]: "'", [DIAERESIS]: '"' },
  },
  dvorak: {
    plain: ['`1234567890[]', "',.pyfgcrl/=", 'aoeuidhtns-\\', ' ;qjkxbmwvz'],
    shift: ['~!@#$%^&*(){}', '"<>PYFGCRL?+', 'AOEUIDHTNS_|', ' :QJKXBMWVZ'],
  },
  uk: {
    plain: ['`1234567890-=', 'qwertyuiop[]', "asdfghjkl;'#", '\\zxcvbnm,./'],
    shift: ['¬!"£$%^&*()_+', 'QWERTYUIOP{}', 'ASDFGHJKL:@~', '|ZXCVBNM<>?'],
    altgr: ['    €        '],
    shiftAltgr: ['', '', '', '¦          '],
  },
  de: {
    plain: [`${CIRCUMFLEX}1234567890ß${ACUTE}`, 'qwertzuiopü+', 'asdfghjklöä#', '<yxcvbnm,.-'],
    shift: [`°!"§$%&/()=?${GRAVE}`, 'QWERTZUIOPÜ*', "ASDFGHJKLÖÄ'", '>YXCVBNM;:_'],
    altgr: ['  ²³   {[]}\\ ', '@ €        ~', '', '|      µ   '],
  },
  ch: {
    plain: [`§1234567890'${CIRCUMFLEX}`, `qwertzuiopü${DIAERESIS}`, 'asdfghjklöä$', '<yxcvbnm,.-'],
    shift: [`°+"*ç%&/()=?${GRAVE}`, 'QWERTZUIOPè!', 'ASDFGHJKLéà£', '>YXCVBNM;:_'],
    altgr: [`  @#  ¬|¢  ${ACUTE}${TILDE}`, '  €       []', '          {}', '\\          '],
  },
  fr: {
    plain: ['²&é"\'(-è_çà)=', `azertyuiop${CIRCUMFLEX}$`, 'qsdfghjklmù*', '<wxcvbn,;:!'],
    shift: [' 1234567890°+', `AZERTYUIOP${DIAERESIS}£`, 'QSDFGHJKLM%µ', '>WXCVBN?./§'],
    altgr: ['  ~#{[|`\\^@]}', '  €        ¤'],
  },
  be: {
    plain: ['²&é"\'(§è!çà)-', `azertyuiop${CIRCUMFLEX}$`, 'qsdfghjklmùµ', '<wxcvbn,;:='],
    shift: ['³1234567890°_', `AZERTYUIOP${DIAERESIS}*`, 'QSDFGHJKLM%£', '>WXCVBN?./+'],
    altgr: [' |@#  ^  {}  ', '  €       []', `          ${ACUTE}${GRAVE}`, `\\         ${TILDE}`],
  },
  es: {
    plain: ["º1234567890'¡", `qwertyuiop${GRAVE}+`, `asdfghjklñ${ACUTE}ç`, '<zxcvbnm,.-'],
    shift: ['ª!"·$%&/()=?¿', `QWERTYUIOP${CIRCUMFLEX}*`, `ASDFGHJKLÑ${DIAERESIS}Ç`, '>ZXCVBNM;:_'],
    altgr: ['\\|@#~ ¬      ', '  €       []', '          {}'],
  },
  'es-latam': {
    plain: ["|1234567890'¿", `qwertyuiop${ACUTE}+`, 'asdfghjklñ{}', '<zxcvbnm,.-'],
    shift: ['°!"#$%&/()=?¡', `QWERTYUIOP${DIAERESIS}*`, 'ASDFGHJKLÑ[]', '>ZXCVBNM;:_'],
    altgr: ['¬          \\ ', '@ €        ~', `          ${CIRCUMFLEX}${GRAVE}`],
  },
  it: {
    plain: ["\\1234567890'ì", 'qwertyuiopè+', 'asdfghjklòàù', '<zxcvbnm,.-'],
    shift: ['|!"£$%&/()=?^', 'QWERTYUIOPé*', 'ASDFGHJKLç°§', '>ZXCVBNM;:_'],
    altgr: ['           `~', '  €       []', '         @# '],
    shiftAltgr: ['', '          {}'],
  },
  pt: {
    plain: ["\\1234567890'«", `qwertyuiop+${ACUTE}`, `asdfghjklçº${TILDE}`, '<zxcvbnm,.-'],
    shift: ['|!"#$%&/()=?»', `QWERTYUIOP*${GRAVE}`, `ASDFGHJKLÇª${CIRCUMFLEX}`, '>ZXCVBNM;:_'],
    altgr: ['  @£§  {[]}  ', `  €       ${DIAERESIS} `],
  },
  br: {
    plain: ["'1234567890-=", `qwertyuiop${ACUTE}[`, `asdfghjklç${TILDE}]`, '\\zxcvbnm,.;', '/'],
    shift: [`"!@#$%${DIAERESIS}&*()_+`, `QWERTYUIOP${GRAVE}{`, `ASDFGHJKLÇ${CIRCUMFLEX}}`, '|ZXCVBNM<>:', '?'],
    altgr: [' ¹²³£¢¬     §', '           ª', '           º', '', '°'],
  },
  se: {
    plain: [`§1234567890+${ACUTE}`, `qwertyuiopå${DIAERESIS}`, "asdfghjklöä'", '<zxcvbnm,.-'],
    shift: [`½!"#¤%&/()=?${GRAVE}`, `QWERTYUIOPÅ${CIRCUMFLEX}`, 'ASDFGHJKLÖÄ*', '>ZXCVBNM;:_'],
    altgr: ['  @£$€ {[]}\\ ', `  €        ${TILDE}`, '', '|      µ   '],
  },
  fi: {
    plain: [`§1234567890+${ACUTE}`, `qwertyuiopå${DIAERESIS}`, "asdfghjklöä'", '<zxcvbnm,.-'],
    shift: [`½!"#¤%&/()=?${GRAVE}`, `QWERTYUIOPÅ${CIRCUMFLEX}`, 'ASDFGHJKLÖÄ*', '>ZXCVBNM;:_'],
    altgr: ['  @£$  {[]}\\ ', `  €        ${TILDE}`, '', '|      µ   '],
  },
  no: {
    plain: ['|1234567890+\\', `qwertyuiopå${DIAERESIS}`, "asdfghjkløæ'", '<zxcvbnm,.-'],
    shift: [`§!"#¤%&/()=?${GRAVE}`, `QWERTYUIOPÅ${CIRCUMFLEX}`, 'ASDFGHJKLØÆ*', '>ZXCVBNM;:_'],
    altgr: [`  @£$  {[]} ${ACUTE}`, `  €        ${TILDE}`, '', '       µ   '],
  },
  dk: {
    plain: [`½1234567890+${ACUTE}`, `qwertyuiopå${DIAERESIS}`, "asdfghjklæø'", '<zxcvbnm,.-'],
    shift: [`§!"#¤%&/()=?${GRAVE}`, `QWERTYUIOPÅ${CIRCUMFLEX}`, 'ASDFGHJKLÆØ*', '>ZXCVBNM;:_'],
    altgr: ['  @£$  {[]} |', `  €        ${TILDE}`, '', '\\      µ   '],
  },
  pl: {
    plain: ['`1234567890-=', 'qwertyuiop[]', "asdfghjkl;'\\", ' zxcvbnm,./'],
    shift: ['~!@#$%^&*()_+', 'QWERTYUIOP{}', 'ASDFGHJKL:"|', ' ZXCVBNM<>?'],
    altgr: ['     €       ', '  ę     ó   ', 'ąś      ł   ', ' żźć  ń    '],
    shiftAltgr: ['', '  Ę     Ó   ', 'ĄŚ      Ł   ', ' ŻŹĆ  Ń    '],
  },
  cz: {
    plain: [`;+ěščřžýáíé=${ACUTE}`, 'qwertzuiopú)', `asdfghjklů§${DIAERESIS}`, '\\yxcvbnm,.-'],
    shift: [`${RING}1234567890%${CARON}`, 'QWERTZUIOP/(', 'ASDFGHJKL"!\'', '|YXCVBNM?:_'],
    altgr: ['`            ', '  €         ', '~đĐ[]  łŁ$  ', '  #&@{}^<>*'],
  },
  hu: {
    plain: ['0123456789öüó', 'qwertzuiopőú', 'asdfghjkléáű', 'íyxcvbnm,.-'],
    shift: ['§\'"+!%/=()ÖÜÓ', 'QWERTZUIOPŐÚ', 'ASDFGHJKLÉÁŰ', 'ÍYXCVBNM?:_'],
    altgr: [' ~ ^   `     ', '\\|Ä   €   ÷×', ' đĐ[]  łŁ$ß¤', '<>#&@{} ; *'],
  },
  tr: {
    plain: ['"1234567890*-', 'qwertyuıopğü', 'asdfghjklşi,', '<zxcvbnmöç.'],
    shift: ["é!'^+%&/()=?_", 'QWERTYUIOPĞÜ', 'ASDFGHJKLŞİ;', '>ZXCVBNMÖÇ:'],
    altgr: ['  £#$½ {[]}\\|', '@ € ₺      ~', ' ß         `'],
  },
  ru: {
    plain: ['ё1234567890-=', 'йцукенгшщзхъ', 'фывапролджэ\\', ' ячсмитьбю.'],
    shift: ['Ё!"№;%:?*()_+', 'ЙЦУКЕНГШЩЗХЪ', 'ФЫВАПРОЛДЖЭ/', '|ЯЧСМИТЬБЮ,'],
  },
  jp: {
    plain: [' 1234567890-^', 'qwertyuiop@[', 'asdfghjkl;:]', ' zxcvbnm,./', '\\'],
    shift: [' !"#$%&\'() =~', 'QWERTYUIOP`{', 'ASDFGHJKL+*}', ' ZXCVBNM<>?', '_|'],
  },
} satisfies { readonly [name: string]: Rows }
