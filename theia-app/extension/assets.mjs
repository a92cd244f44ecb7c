/**
 * Makes the files that the IDE loads when it needs them: grammars and icons. All of them lie in one folder that is named after their
 * content, so that they can be cached for ever.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(import.meta.url);
/** The folder of a package, also of one that does not export its package.json. */
const resolve = name => require.resolve.paths(name).map(folder => path.join(folder, name)).find(folder => fs.existsSync(folder));
const { languages, embedded } = require('./src/browser/languages/languages.json');

/** Writes the files below `folder/assets/<hash>/` and answers that path with a slash, relative to `folder`. */
export function writeAssets(folder) {
    const files = new Map([...grammars(), ...seti(), ...vscodeIcons()]);
    const hash = createHash('sha256');
    for (const [name, content] of files) {
        hash.update(name).update('\0').update(content).update('\0');
    }
    const base = `assets/${hash.digest('hex').slice(0, 12)}/`;
    fs.rmSync(path.join(folder, 'assets'), { recursive: true, force: true });
    for (const [name, content] of files) {
        const file = path.join(folder, base, name);
        fs.mkdirSync(path.dirname(file), { recursive: true });
        fs.writeFileSync(file, content);
    }
    return base;
}

function* grammars() {
    const folder = path.join(resolve('tm-grammars'), 'grammars');
    for (const { grammar, scope } of unique([...languages, ...embedded], entry => entry.grammar)) {
        const content = JSON.parse(fs.readFileSync(path.join(folder, `${grammar}.json`), 'utf8'));
        if (content.scopeName !== scope) {
            throw new Error(`The grammar “${grammar}” has the scope ${content.scopeName}, not ${scope}.`);
        }
        yield [`grammars/${grammar}.json`, JSON.stringify(content)];
    }
}

/** Seti tells some icons by language; here they are told by the files of that language, so that the page needs no languages for it. */
function* seti() {
    const folder = path.join(resolve('@codingame/monaco-vscode-theme-seti-default-extension'), 'resources');
    const theme = JSON.parse(fs.readFileSync(path.join(folder, 'vs-seti-icon-theme.json'), 'utf8'));
    const withLanguages = ({ languageIds = {}, fileExtensions, fileNames, file }) => {
        const known = languages.filter(({ id }) => languageIds[id]);
        const each = (key, strip) => Object.fromEntries(known.flatMap(({ id, [key]: names = [] }) => names.map(name => [strip(name.toLowerCase()), languageIds[id]])));
        return {
            file,
            fileExtensions: { ...each('extensions', name => name.replace(/^\./, '')), ...fileExtensions },
            fileNames: { ...each('filenames', name => name), ...lowerKeys(fileNames) }
        };
    };
    const { fonts, iconDefinitions, light } = theme;
    yield ['icons/seti.json', JSON.stringify({ fonts, iconDefinitions, ...withLanguages(theme), light: withLanguages(light) })];
    yield ['icons/seti.woff', fs.readFileSync(path.join(folder, 'seti.woff'))];
}

/** Joins the pictures of one package with the names of the other. Only pictures that a name leads to are written. */
function* vscodeIcons() {
    const { icons, width, height } = require('@iconify-json/vscode-icons/icons.json');
    const generated = name => require(`vscode-icons-js/dist/generated/${name}`)[name];
    const used = new Set();
    const pick = (...candidates) => {
        const found = candidates.find(name => icons[name]);
        if (found) {
            used.add(found);
        }
        return found;
    };
    const keyOf = file => file.replace(/\.svg$/, '').replaceAll('_', '-');
    const map = (names, choose) => Object.fromEntries(Object.entries(names).map(([name, file]) => [name.toLowerCase(), choose(keyOf(file))]).filter(([, icon]) => icon));
    const dark = key => pick(key.replace('-type-light-', '-type-'), key);
    const light = key => {
        const own = key.replace('-type-light-', '-type-').replace('-type-', '-type-light-');
        return icons[own] ? pick(own) : undefined;
    };
    const opened = choose => key => choose(`${key}-opened`);
    // Names that only a language tells: Dockerfile, Makefile and the like.
    const byLanguage = languages.flatMap(({ grammar, filenames = [] }) => icons[`file-type-${grammar}`] ? filenames.map(name => [name, `file_type_${grammar}.svg`]) : []);
    const fileNames = { ...Object.fromEntries(byLanguage), makefile: 'file_type_makefile.svg', ...generated('FileNamesToIcon') };
    const fileExtensions = { ...generated('LanguagesToIcon'), ...generated('FileExtensions1ToIcon'), ...generated('FileExtensions2ToIcon') };
    const folderNames = generated('FolderNamesToIcon');
    const maps = choose => ({
        fileNames: map(fileNames, choose),
        fileExtensions: map(fileExtensions, choose),
        folderNames: map(folderNames, choose),
        folderNamesExpanded: map(folderNames, opened(choose))
    });
    const theme = {
        file: pick('default-file'), folder: pick('default-folder'), folderExpanded: pick('default-folder-opened'),
        ...maps(dark),
        light: maps(light)
    };
    const iconDefinitions = Object.fromEntries([...used].sort().map(name => [name, { iconPath: `./vscode-icons/${name}.svg` }]));
    yield ['icons/vscode-icons.json', JSON.stringify({ iconDefinitions, ...theme })];
    for (const name of [...used].sort()) {
        const icon = icons[name];
        const box = `0 0 ${icon.width ?? width} ${icon.height ?? height}`;
        yield [`icons/vscode-icons/${name}.svg`, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${box}">${icon.body}</svg>`];
    }
}

function lowerKeys(object) {
    return Object.fromEntries(Object.entries(object ?? {}).map(([key, value]) => [key.toLowerCase(), value]));
}

function unique(list, keyOf) {
    return [...new Map(list.map(entry => [keyOf(entry), entry])).values()];
}
