/**
 * Stands in for the package `ajv` in the bundle, which makes functions out of text; the page's security policy forbids that.
 * Only what Theia calls is here: it checks workspace files with it.
 */
const { Validator } = require('@cfworker/json-schema');

module.exports = class Ajv {
    compile(schema) {
        const validator = new Validator(schema, '7');
        return data => validator.validate(data).valid;
    }
};
