/** Stands in for a module that nothing in the product runs. */
module.exports = {};
