/** `bootwright completion`: what a shell needs to complete the command's words, made from the commands themselves. */
import { Argument, Command, type Option } from 'commander'
import { FLAGS } from '../../options/read-options.js'
import { paragraphs } from '../help.js'

const SHELLS = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof SHELLS)[number]

/** Values that an option takes, where they are few. */
const VALUES: { readonly [option: string]: readonly string[] } = Object.fromEntries(
  FLAGS.flatMap(({ long, choices }) => (choices ? [[long, choices()]] : [])),
)

interface Verb {
  name: string
  description: string
  options: readonly Option[]
  /** Its first argument is a guest or a file. */
  takesGuest: boolean
  /** What its first argument may be, where that is a few words. */
  choices: readonly string[]
}

/**
 * @param commands All of them; made when they are needed.
 * @param guests Names of the project's own guests.
 */
export function completionCommand(commands: () => Promise<readonly Command[]>, guests: () => string[]): Command {
  return new Command('completion')
    .description("print a script that completes the command's words in a shell")
    .addArgument(new Argument('<shell>', 'whose script').choices(SHELLS))
    .addHelpText('after', () => paragraphs(HELP))
    .action(async (shell: Shell) => {
      process.stdout.write(SCRIPTS[shell]((await commands()).map(verb), guests()))
    })
}

const HELP = `
  bash   source <(bootwright completion bash)             in ~/.bashrc
  zsh    source <(bootwright completion zsh)              in ~/.zshrc, after compinit
  fish   bootwright completion fish | source              in ~/.config/fish/config.fish`

function verb(command: Command): Verb {
  const [first] = command.registeredArguments
  return {
    name: command.name(),
    description: command.description(),
    options: command.createHelp().visibleOptions(command),
    takesGuest: first !== undefined && /guest/.test(first.name()),
    choices: first?.argChoices ?? [],
  }
}

const flagsOf = ({ short, long }: Option) => [short, long].filter((flag) => flag !== undefined)
const takesValue = ({ required, optional }: Option) => required || optional
/** In single quotes, for all three shells: no text of ours has a backslash. */
const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`

const SCRIPTS: { readonly [shell in Shell]: (verbs: readonly Verb[], guests: readonly string[]) => string } = {
  bash: (verbs, guests) => {
    const valued = [...new Set(verbs.flatMap(({ options }) => options.filter(takesValue).flatMap(flagsOf)))]
    const cases = verbs.map(({ name, options, takesGuest, choices }) => {
      const words = [...options.flatMap(flagsOf), ...choices, ...(takesGuest ? guests : [])]
      return `    ${name}) words=${quote(words.join(' '))} ;;`
    })
    return `# bash completion for bootwright
_bootwright() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} words=
  COMPREPLY=()
  if [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=($(compgen -W ${quote(verbs.map(({ name }) => name).join(' '))} -- "$cur"))
    return
  fi
  case $prev in
${Object.entries(VALUES)
  .map(([option, values]) => `    ${option}) COMPREPLY=($(compgen -W ${quote(values.join(' '))} -- "$cur")); return ;;`)
  .join('\n')}
    ${valued.filter((flag) => VALUES[flag] === undefined).join('|')}) return ;;
  esac
  case \${COMP_WORDS[1]} in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
# Files where no word fits: images, recordings, values.
complete -o default -F _bootwright bootwright
`
  },
  zsh: (verbs, guests) => {
    const described = (name: string, description: string) => quote(`${name}:${description}`)
    const cases = verbs.map(({ name, options, takesGuest, choices }) => {
      const flags = options.flatMap((option) => flagsOf(option).map((flag) => described(flag, option.description)))
      const others = [...choices, ...(takesGuest ? guests : [])]
      return `    ${name})\n      flags=(${flags.join(' ')})\n      others=(${others.map(quote).join(' ')}) ;;`
    })
    return `#compdef bootwright
_bootwright() {
  local -a verbs flags others
  if (( CURRENT == 2 )); then
    verbs=(${verbs.map(({ name, description }) => described(name, description)).join(' ')})
    _describe command verbs
    return
  fi
  case $words[2] in
${cases.join('\n')}
  esac
  case $words[CURRENT-1] in
${Object.entries(VALUES)
  .map(([option, values]) => `    ${option}) compadd ${values.join(' ')}; return ;;`)
  .join('\n')}
  esac
  if [[ $PREFIX == -* ]]; then
    _describe option flags
  else
    (( $#others )) && compadd -a others
    _files
  fi
}
compdef _bootwright bootwright
`
  },
  fish: (verbs, guests) => {
    const lines = ['# fish completion for bootwright', 'complete -c bootwright -n __fish_use_subcommand -f']
    for (const { name, description, options, takesGuest, choices } of verbs) {
      const inVerb = `-c bootwright -n ${quote(`__fish_seen_subcommand_from ${name}`)}`
      lines.push(`complete -c bootwright -n __fish_use_subcommand -a ${name} -d ${quote(description)}`)
      const words = [...choices, ...(takesGuest ? guests : [])]
      if (words.length > 0) lines.push(`complete ${inVerb} -a ${quote(words.join(' '))}`)
      for (const option of options) {
        const flags = flagsOf(option).map((flag) =>
          flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`,
        )
        const values = VALUES[option.long ?? '']
        const value = values ? ` -x -a ${quote(values.join(' '))}` : takesValue(option) ? ' -r' : ''
        lines.push(`complete ${inVerb} ${flags.join(' ')}${value} -d ${quote(option.description)}`)
      }
    }
    return `${lines.join('\n')}\n`
  },
}
