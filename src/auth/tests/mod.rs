mod keys;
mod refusals;
mod rotation;
mod support;
