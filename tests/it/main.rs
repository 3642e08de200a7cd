//! The tests of what a user sees: the real binary, real files, real llama.cpp.

mod quality;
