/**
 * Stands in for the package `mermaid` in the bundle and loads it when the first diagram is shown.
 * Only what Theia's chat calls is here.
 */
/* global __coditectMermaid */
let library;
let settings;

async function ready() {
    library ??= import(new URL(__coditectMermaid, document.baseURI).href).then(module => module.default);
    const mermaid = await library;
    if (settings) {
        mermaid.initialize(settings);
        settings = undefined;
    }
    return mermaid;
}

export default {
    initialize(next) {
        settings = next;
    },
    async parse(...args) {
        return (await ready()).parse(...args);
    },
    async render(...args) {
        return (await ready()).render(...args);
    }
};
