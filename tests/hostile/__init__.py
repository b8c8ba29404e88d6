"""Hostile and broken input: a corpus of damaged studies, made when the tests run, and what each of them gives.

- `bases`: small studies that are in order, one a kind of input;
- `cases`: what a case is, and all of them;
- `tables`, `configurations`, `raw_files`, `workbooks`: the damage, by kind of file;
- `door`: a damaged study through the door of `make check`: refused in our own words, or read as the clean one;
- `ceiling`: the same for what could eat a machine, in a process with a ceiling of memory and of time;
- `test_fuzzing`: what nobody thought of: any damage to any file of any base;
- `test_fuzzing_pooling`: any clinical table and any claim that is let in, through all that is made of them;
- `page`: docs/hostile_input.md, the table of what each case gives.
"""
