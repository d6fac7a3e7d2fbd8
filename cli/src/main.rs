//! The `twofold` program.

#[cfg_attr(
    not(test),
    expect(dead_code, unused_imports, reason = "the subcommands `synth` and `pnr` are to call it")
)]
mod synth;

fn main() {}
