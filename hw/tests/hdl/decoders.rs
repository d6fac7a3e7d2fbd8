//! The Verilog of the decoders against the table of the instruction set, every field of every record.

use std::fmt::Write;

use crate::verilated::simulate;
use rust_hdl_core::prelude::*;
use spec::isa::{self, Field, Table};
use twofold_hw::context::{
    BlockContext, BlockDecoder, DrainContext, DrainDecoder, EndContext, EndDecoder, LaneContext,
    LaneDecoder, LoadContext, LoadDecoder, StreamContext, StreamDecoder, TileContext, TileDecoder,
};
use twofold_hw::verilog::{Module, Verilog, emit};

/// One decoder: its module, the fields of its bundle from the lowest bits up, and the record.
struct Decoder {
    module: Module,
    bundle: Vec<(String, usize)>,
    table: Table,
}

impl Decoder {
    fn new<D: Block>(mut decoder: D, name: &str, bundle: TypeDescriptor, table: Table) -> Self {
        let design = emit(&mut decoder, name, "").unwrap();
        let TypeKind::Composite(fields) = bundle.kind else { panic!("a bundle has fields") };
        let width = |kind: &TypeKind| match kind {
            TypeKind::Bits(bits) => *bits,
            other => panic!("{other:?} is no field of a record"),
        };
        let bundle =
            fields.iter().map(|field| (field.fieldname.clone(), width(&field.kind.kind))).collect();
        Self { module: design.top().clone(), bundle, table }
    }

    fn field(&self, name: &str) -> Field {
        *self.table.fields.iter().find(|field| field.name == name).expect("the record has it")
    }

    /// An instance whose fields are outputs of the module around it: ports and body.
    fn wire(&self, ports: &mut String, body: &mut String) {
        let name = &self.module.name;
        let n_bits: usize = self.bundle.iter().map(|(_, bits)| bits).sum();
        let words = self.table.fields.iter().map(|field| field.word + 1).max().unwrap_or(0);
        let inputs: String =
            (0..words).map(|word| format!(".word_{word}(word_{word}), ")).collect();
        writeln!(body, "  wire [{}:0] {name}_fields;", n_bits - 1).unwrap();
        writeln!(body, "  {name} {name}_i ({inputs}.fields({name}_fields));").unwrap();
        let mut low = 0;
        for (field, bits) in &self.bundle {
            let high = low + bits - 1;
            writeln!(ports, "  output wire [{}:0] {name}_{field},", bits - 1).unwrap();
            writeln!(body, "  assign {name}_{field} = {name}_fields[{high}:{low}];").unwrap();
            low += bits;
        }
    }

    /// What the table says of these words.
    fn expected(&self, words: &[u64]) -> Vec<u64> {
        let value = |(name, bits): &(String, usize)| {
            let Field { word, lsb, width, signed, .. } = self.field(name);
            let value = words[word] >> lsb & ((1 << width) - 1);
            let negative = signed && value >> (width - 1) == 1;
            if negative { value | ((1 << bits) - (1 << width)) } else { value }
        };
        self.bundle.iter().map(value).collect()
    }
}

#[test]
fn every_field_of_every_record_comes_out_of_its_decoder() {
    macro_rules! decoder {
        ($Decoder:ident, $name:literal, $Context:ident, $Record:ident) => {
            Decoder::new($Decoder::default(), $name, $Context::descriptor(), isa::$Record::TABLE)
        };
    }
    let decoders = [
        decoder!(StreamDecoder, "stream_decoder", StreamContext, Stream),
        decoder!(DrainDecoder, "drain_decoder", DrainContext, Drain),
        decoder!(BlockDecoder, "block_decoder", BlockContext, Block),
        decoder!(EndDecoder, "end_decoder", EndContext, End),
        decoder!(LoadDecoder, "load_decoder", LoadContext, Load),
        decoder!(TileDecoder, "tile_decoder", TileContext, Tile),
        decoder!(LaneDecoder, "lane_decoder", LaneContext, Lane),
    ];
    assert_eq!(decoders.each_ref().map(|decoder| decoder.table), isa::TABLES);
    let (mut ports, mut body) = (String::new(), String::new());
    for decoder in &decoders {
        assert_eq!(decoder.bundle.len(), decoder.table.fields.len(), "{}", decoder.table.name);
        decoder.wire(&mut ports, &mut body);
    }
    let inputs: String = (0..isa::INSTRUCTION_WORDS)
        .map(|word| format!("  input wire [31:0] word_{word},\n"))
        .collect();
    let ports = format!("{inputs}{}", ports.trim_end().trim_end_matches(','));
    let text = format!("module decoders (\n{ports}\n);\n{body}endmodule\n");
    let mut modules: Vec<Module> = decoders.iter().map(|decoder| decoder.module.clone()).collect();
    modules.push(Module { name: "decoders".to_owned(), text });
    let design = Verilog { header: String::new(), modules };

    // Every bit alone, every bit but one, and words without a pattern.
    let mut rows = Vec::new();
    for bit in 0..32 * isa::INSTRUCTION_WORDS {
        let one = |word| u64::from(word == bit / 32) << (bit % 32);
        let row: Vec<u64> = (0..isa::INSTRUCTION_WORDS).map(one).collect();
        rows.push(row.iter().map(|word| word ^ 0xffff_ffff).collect());
        rows.push(row.iter().map(|word| word.wrapping_mul(0x9e37_79b9) ^ 0x5bd1_e995).collect());
        rows.push(row);
    }
    rows.iter_mut().flat_map(|row: &mut Vec<u64>| row).for_each(|word| *word &= 0xffff_ffff);
    let outputs = simulate(&design, &[], &rows);
    assert_eq!(outputs.len(), rows.len());
    for (words, seen) in rows.iter().zip(outputs) {
        let expected: Vec<u64> =
            decoders.iter().flat_map(|decoder| decoder.expected(words)).collect();
        assert_eq!(seen, expected, "{words:x?}");
    }
}
