// What a test needs of the machine: missing, it skips the test, unless whoever runs the tests says that it must be there.

/** Names in `CODITECT_TEST_REQUIRE`, separated by commas: bwrap, rg, nginx, mount, model, network. */
const required = (process.env.CODITECT_TEST_REQUIRE ?? '').split(',').map(name => name.trim());

/** Why to skip, or false where nothing is missing (`why` is empty or false); fails where `thing` is required. */
export function skipWithout(thing, why) {
    if (why && required.includes(thing)) { throw new Error(`CODITECT_TEST_REQUIRE names ${thing}, but ${why}`); }
    return why || false;
}
