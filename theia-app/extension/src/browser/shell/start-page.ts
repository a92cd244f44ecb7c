import { injectable } from '@theia/core/shared/inversify';

/** The words on the splash while Theia has not started; the page itself is `resources/index.html`. */
@injectable()
export class StartPage {

    protected get node(): HTMLElement | null {
        return document.getElementById('coditect-start');
    }

    /** Shows what happens. */
    tell(message: string): void {
        this.node?.replaceChildren(this.paragraph(message));
    }

    /** Shows why it does not go on, and the ways out. */
    refuse(message: string, ways: { readonly label: string; readonly url: string }[]): void {
        const text = this.paragraph(message);
        text.setAttribute('role', 'alert');
        const links = document.createElement('p');
        for (const way of ways) {
            const link = document.createElement('a');
            link.textContent = way.label;
            link.href = way.url;
            links.append(link);
        }
        this.node?.replaceChildren(text, links);
        document.documentElement.classList.add('coditect-stopped');
    }

    protected paragraph(text: string): HTMLParagraphElement {
        const paragraph = document.createElement('p');
        paragraph.textContent = text;
        return paragraph;
    }
}
