/**
 * The first word of a text as ssh takes keywords and the words of `Match` off a line: it ends at blanks or at one `=`, and a
 * double quote anywhere runs to the next one.
 *
 * @returns undefined when there is no text, or no closing quote
 */
export function takeWord(
  text: string | undefined,
): { readonly word: string; readonly rest: string | undefined } | undefined {
  if (text === undefined) return undefined;
  const end = text.search(/[ \t\r\n"=]/);
  if (end < 0) return { word: text, rest: undefined };
  const before = text.slice(0, end);
  if (text[end] === '"') {
    const close = text.indexOf('"', end + 1);
    if (close < 0) return undefined;
    return {
      word: before + text.slice(end + 1, close),
      rest: withoutBlanks(text.slice(close + 1)),
    };
  }
  const after = withoutBlanks(text.slice(end + 1));
  const isSecondSign = text[end] !== "=" && after.startsWith("=");
  return { word: before, rest: isSecondSign ? withoutBlanks(after.slice(1)) : after };
}

function withoutBlanks(text: string): string {
  return text.replace(/^[ \t\r\n]+/, "");
}

/** A line of ssh_config(5) cut into its keyword and the rest. */
export interface ConfigLine {
  /** Lower case. */
  readonly keyword: string;
  /** Undefined when nothing follows the keyword. */
  readonly rest: string | undefined;
}

/** Cuts a line; undefined for an empty one, a comment, and one whose keyword is an open quote. */
export function cutConfigLine(line: string): ConfigLine | undefined {
  let cut = takeWord(line.replace(/[ \t\r\n\f]+$/, ""));
  // Blanks at the start are an empty first word.
  if (cut?.word === "") cut = takeWord(cut.rest);
  if (cut === undefined || cut.word === "" || cut.word.startsWith("#")) return undefined;
  const rest = cut.rest === undefined ? "" : withoutBlanks(cut.rest);
  return { keyword: cut.word.toLowerCase(), rest: rest === "" ? undefined : rest };
}

/**
 * Splits arguments at blanks. Quotes of either kind keep blanks, a backslash takes the meaning from a quote, a backslash and (outside
 * of quotes) a blank, and a word that begins with `#` begins a comment.
 *
 * @returns undefined when a quote is not closed
 */
export function splitArguments(text: string): string[] | undefined {
  const words: string[] = [];
  let at = 0;
  while (at < text.length) {
    const first = text.charAt(at);
    if (first === " " || first === "\t") {
      at++;
      continue;
    }
    if (first === "#") break;
    let word = "";
    let quote = "";
    for (; at < text.length; at++) {
      const character = text.charAt(at);
      const next = text.charAt(at + 1);
      if (character === "\\") {
        const isEscape = next !== "" && (`'"\\`.includes(next) || (quote === "" && next === " "));
        word += isEscape ? text.charAt(++at) : character;
      } else if (quote === "" && (character === " " || character === "\t")) break;
      else if (quote === "" && (character === '"' || character === "'")) quote = character;
      else if (quote !== "" && character === quote) quote = "";
      else word += character;
    }
    if (quote !== "") return undefined;
    words.push(word);
  }
  return words;
}
