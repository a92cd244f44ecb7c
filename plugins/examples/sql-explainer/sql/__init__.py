"""Reading SQL, explaining it, and saying what is wrong with it. Pure Python that knows nothing of Coditect."""
