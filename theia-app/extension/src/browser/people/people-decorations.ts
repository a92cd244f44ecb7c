import { Emitter, MessageService, URI } from '@theia/core';
import { FrontendApplicationContribution } from '@theia/core/lib/browser';
import { ColorContribution } from '@theia/core/lib/browser/color-application-contribution';
import { ColorRegistry } from '@theia/core/lib/browser/color-registry';
import { Decoration, DecorationsProvider, DecorationsService } from '@theia/core/lib/browser/decorations-service';
import { TabBarDecorator } from '@theia/core/lib/browser/shell/tab-bar-decorator';
import { WidgetDecoration } from '@theia/core/lib/browser/widget-decoration';
import { inject, injectable } from '@theia/core/shared/inversify';
import { listed, nameOf, signOf } from './names';
import { PresentPeople } from './present-people';

const PRESENT_COLOR = 'coditect.othersPresentForeground';
const UNSAVED_COLOR = 'coditect.othersUnsavedForeground';
/** That somebody may overwrite counts more than what git says of a file; that somebody looks at it counts less. */
const UNSAVED_WEIGHT = 10;
const PRESENT_WEIGHT = 0;
/** Signs shown of a file; further people are counted. */
const MAX_SIGNS = 2;

/** Shows on tabs and in the explorer who is in a file, and warns where two change the same one. */
@injectable()
export class PeopleDecorations implements FrontendApplicationContribution, ColorContribution, DecorationsProvider, TabBarDecorator {

    @inject(PresentPeople) protected readonly present: PresentPeople;
    @inject(DecorationsService) protected readonly decorations: DecorationsService;
    @inject(MessageService) protected readonly messages: MessageService;

    protected readonly changeEmitter = new Emitter<URI[]>();
    readonly onDidChange = this.changeEmitter.event;
    readonly id = 'coditect-people';
    protected readonly tabsEmitter = new Emitter<void>();
    /** Tabs show the decorations of their files, and draw them anew only when one of their own decorators says so. */
    readonly onDidChangeDecorations = this.tabsEmitter.event;
    /** Files of which the person was warned, until nobody else has unsaved changes in them. */
    protected readonly warned = new Set<string>();

    onStart(): void {
        this.decorations.registerDecorationsProvider(this);
        this.present.onDidChange(files => {
            this.changeEmitter.fire(files);
            this.tabsEmitter.fire();
            files.forEach(file => this.warn(file));
        });
    }

    /** Nothing of its own: what there is to show comes with the file. */
    decorate(): WidgetDecoration.Data[] {
        return [];
    }

    registerColors(registry: ColorRegistry): void {
        registry.register(
            { id: PRESENT_COLOR, defaults: { dark: '#6cb6ff', light: '#0a5cad', hcDark: '#6cb6ff', hcLight: '#0a5cad' }, description: 'Colour of files that others have open.' },
            { id: UNSAVED_COLOR, defaults: { dark: '#ffb454', light: '#8a4b00', hcDark: '#ffb454', hcLight: '#8a4b00' }, description: 'Colour of files in which others have unsaved changes.' }
        );
    }

    provideDecorations(uri: URI): Decoration | undefined {
        const people = this.present.inFile(uri);
        if (people.length === 0) {
            return undefined;
        }
        const unsaved = this.present.unsavedIn(uri);
        const looking = people.filter(person => !unsaved.includes(person));
        const sentences = [
            ...unsaved.map(person => `${nameOf(person)} ${person.own ? 'have' : 'has'} unsaved changes here`),
            ...looking.map(person => `${nameOf(person)} ${person.own ? 'have this file open' : 'is in this file'}`)
        ];
        const signs = people.slice(0, MAX_SIGNS).map(signOf);
        const more = people.length > MAX_SIGNS ? [`+${people.length - MAX_SIGNS}`] : [];
        const isWarning = unsaved.length > 0;
        return {
            weight: isWarning ? UNSAVED_WEIGHT : PRESENT_WEIGHT,
            colorId: isWarning ? UNSAVED_COLOR : PRESENT_COLOR,
            letter: [...signs, ...more].join(' '),
            tooltip: sentences.join(', '),
            bubble: false
        };
    }

    /** Once for each time that two change the same file: later it is a conflict. */
    protected warn(file: URI): void {
        const path = file.toString();
        const unsaved = this.present.unsavedIn(file);
        if (unsaved.length === 0) {
            this.warned.delete(path);
        } else if (!this.warned.has(path) && this.present.isUnsavedHere(file)) {
            this.warned.add(path);
            const text = `${listed(unsaved.map(nameOf))} ${unsaved.length > 1 || unsaved[0]?.own ? 'have' : 'has'} unsaved changes in “${file.path.base}”, too.`
                + ' Whoever saves second is asked what to keep.';
            this.messages.warn(text).then(undefined, error => console.error(error));
        }
    }
}
