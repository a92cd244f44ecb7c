import { injectable } from '@theia/core/shared/inversify';
import * as monaco from '@theia/monaco-editor-core';
import { GrammarDefinition, LanguageGrammarDefinitionContribution, TextmateRegistry } from '@theia/monaco/lib/browser/textmate';
import { loadAsset } from '../assets';
import * as catalogue from './languages.json';

interface Language {
    readonly id: string;
    readonly name: string;
    readonly extensions?: string[];
    readonly filenames?: string[];
    readonly aliases?: string[];
    readonly firstLine?: string;
    readonly comments?: { readonly line?: string; readonly block?: string[] };
    readonly grammar: string;
    readonly scope: string;
    /** A line that ends with a colon opens a block. */
    readonly indentAfterColon?: boolean;
    /** Its brackets are tags. */
    readonly tags?: boolean;
}

const BRACKETS: [string, string][] = [['{', '}'], ['[', ']'], ['(', ')']];
const QUOTES = ['"', '\'', '`'];
/** Languages in which a single quote does not pair: a lifetime, a transposition, an apostrophe, a symbol. */
const LONE_QUOTE = new Set(['rust', 'wit', 'julia', 'markdown', 'haskell', 'clojure', 'git-commit', 'diff']);

/** The common languages: what files they have, how they are commented and bracketed, and their colours, loaded when first needed. */
@injectable()
export class CoditectLanguages implements LanguageGrammarDefinitionContribution {

    registerTextmateLanguage(registry: TextmateRegistry): void {
        const grammars = new Map<string, string>();
        for (const language of catalogue.languages as Language[]) {
            monaco.languages.register({
                id: language.id,
                aliases: [language.name, ...language.aliases ?? []],
                extensions: language.extensions,
                filenames: language.filenames,
                firstLine: language.firstLine
            });
            monaco.languages.setLanguageConfiguration(language.id, toConfiguration(language));
            registry.mapLanguageIdToTextmateGrammar(language.id, language.scope);
            grammars.set(language.scope, language.grammar);
        }
        for (const { scope, grammar } of catalogue.embedded) {
            grammars.set(scope, grammar);
        }
        for (const [scope, grammar] of grammars) {
            registry.registerTextmateGrammarScope(scope, { getGrammarDefinition: () => loadGrammar(grammar) });
        }
    }
}

async function loadGrammar(grammar: string): Promise<GrammarDefinition> {
    return { format: 'json', content: await loadAsset<object>(`grammars/${grammar}.json`), location: grammar };
}

function toConfiguration({ id, comments, indentAfterColon, tags }: Language): monaco.languages.LanguageConfiguration {
    const quotes = QUOTES.filter(quote => quote !== '\'' || !LONE_QUOTE.has(id));
    const block = comments?.block;
    return {
        comments: {
            lineComment: comments?.line,
            blockComment: block ? [block[0], block[1]] : undefined
        },
        brackets: BRACKETS,
        autoClosingPairs: [
            ...BRACKETS.map(([open, close]) => ({ open, close })),
            ...quotes.map(quote => ({ open: quote, close: quote, notIn: ['string', 'comment'] }))
        ],
        surroundingPairs: [
            ...BRACKETS.map(([open, close]) => ({ open, close })),
            ...QUOTES.map(quote => ({ open: quote, close: quote })),
            ...tags ? [{ open: '<', close: '>' }] : []
        ],
        onEnterRules: [
            ...indentAfterColon ? [{ beforeText: /:\s*(#.*)?$/, action: { indentAction: monaco.languages.IndentAction.Indent } }] : [],
            ...block?.[0] === '/*' ? DOC_COMMENT_RULES : []
        ]
    };
}

/** Goes on with ` * ` within a comment like this one. */
const DOC_COMMENT_RULES: monaco.languages.OnEnterRule[] = [
    {
        beforeText: /^\s*\/\*\*(?!\/)([^*]|\*(?!\/))*$/,
        afterText: /^\s*\*\/$/,
        action: { indentAction: monaco.languages.IndentAction.IndentOutdent, appendText: ' * ' }
    },
    {
        beforeText: /^\s*\/\*\*(?!\/)([^*]|\*(?!\/))*$/,
        action: { indentAction: monaco.languages.IndentAction.None, appendText: ' * ' }
    },
    {
        beforeText: /^(\t| )* \*( ([^*]|\*(?!\/))*)?$/,
        action: { indentAction: monaco.languages.IndentAction.None, appendText: '* ' }
    }
];
