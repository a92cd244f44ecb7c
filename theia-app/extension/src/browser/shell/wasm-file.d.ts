/** The bundler puts the file beside the bundle, named after its content, and answers its address relative to the page. */
declare module '*.wasm' {
    const address: string;
    export = address;
}
