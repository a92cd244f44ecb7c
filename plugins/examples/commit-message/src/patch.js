// Unified patches as git writes them: which files they change, and a part of them that fits a length.

/**
 * @typedef {{ path: string, change: 'added' | 'deleted' | 'renamed' | 'modified', added: number, removed: number, text: string }} FilePatch
 */

/** The part of each file. @returns {FilePatch[]} */
export function filesOf(patch) {
  const parts = patch.split(/^(?=diff --git )/mu).filter((part) => part.startsWith('diff --git '));
  return parts.map((text) => {
    const at = text.indexOf('\n@@');
    const head = (at < 0 ? text : text.slice(0, at)).split('\n');
    const hunks = at < 0 ? [] : text.slice(at + 1).split('\n');
    const count = (sign) => hunks.filter((line) => line.startsWith(sign)).length;
    return { path: pathOf(head), change: changeOf(head), added: count('+'), removed: count('-'), text };
  });
}

function pathOf(head) {
  const after = (prefix) => head.find((line) => line.startsWith(prefix))?.slice(prefix.length);
  const named = after('+++ b/') ?? after('rename to ') ?? after('--- a/');
  return named ?? / b\/(.*)$/u.exec(head[0])?.[1] ?? head[0].slice('diff --git '.length);
}

function changeOf(head) {
  if (head.some((line) => line.startsWith('new file mode'))) return 'added';
  if (head.some((line) => line.startsWith('deleted file mode'))) return 'deleted';
  return head.some((line) => line.startsWith('rename to ')) ? 'renamed' : 'modified';
}

/** One line a file: `M src/a.js +3 -1`. @param {FilePatch[]} files */
export function summary(files) {
  const letters = { added: 'A', deleted: 'D', renamed: 'R', modified: 'M' };
  return files.map(({ path, change, added, removed }) => `${letters[change]} ${path} +${added} -${removed}`).join('\n');
}

/** As much of every file as fits into `length` characters: small files whole, of large ones the beginning. @param {FilePatch[]} files */
export function excerpt(files, length) {
  const bySize = [...files].sort((one, other) => one.text.length - other.text.length);
  const shares = new Map();
  let left = length;
  bySize.forEach((file, index) => {
    const share = Math.min(file.text.length, Math.floor(left / (bySize.length - index)));
    shares.set(file, share);
    left -= share;
  });
  return files.map((file) => cut(file.text, shares.get(file))).filter((text) => text !== '').join('\n');
}

/** The whole lines that fit. */
function cut(text, length) {
  if (text.length <= length) return text.trimEnd();
  const end = text.lastIndexOf('\n', length);
  return end <= 0 ? '' : `${text.slice(0, end)}\n[… cut off]`;
}
