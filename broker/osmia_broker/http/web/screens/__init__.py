"""The screens of the page, a file per subject. Importing `all_screens` registers them."""
