//! The image memory: as many banks as the input port has bytes, so that as many neighboring bytes are read a cycle,
//! wherever they begin.

use crate::comment;
use crate::leaf::{Drive, Ram, ports, verilog};
use rust_hdl_core::prelude::*;
use spec::ArrayConfig;
use std::fmt::Write;

/// Reads neighboring bytes of an image, and puts `fill` in place of those beside their image row.
///
/// Takes a window a cycle. Latency 2 cycles: `data` is of the `address` of two cycles before, and of the `turn` and the
/// `fill` of the cycle before. No reset.
#[derive(LogicBlock)]
pub struct Window {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Write a beat.
    pub write_enable: Signal<In, Bit>,
    /// Which row of the memory: byte `i` of the beat is byte `row * port_bytes + i` of the image.
    pub write_row: Signal<In, Bits<16>>,
    /// The beat.
    pub write_data: Vec<Signal<In, Bits<8>>>,
    /// First byte of the window in the image.
    pub address: Signal<In, Bits<16>>,
    /// Its place in its image row, signed.
    pub column: Signal<In, Bits<17>>,
    /// Bytes of an image row.
    pub row_bytes: Signal<In, Bits<16>>,
    /// The image has that row.
    pub row_inside: Signal<In, Bit>,
    /// Output `turn` modulo `port_bytes` is the first byte of the window; the others follow it, and output 0 the last.
    pub turn: Signal<In, Bits<5>>,
    /// What a byte outside the image reads as, int8.
    pub fill: Signal<In, Bits<8>>,
    /// The window, int8.
    pub data: Vec<Signal<Out, Bits<8>>>,
    bank: Vec<Ram<16, 8>>,
    rows: WindowRows,
    image_row: WindowInside,
    select: WindowSelect,
    _port_bytes: usize,
}

impl Window {
    /// A memory for `memories().image` bytes.
    pub fn new(config: &ArrayConfig) -> Self {
        let port_bytes = config.port_bytes();
        let depth = config.memories().image.div_ceil(port_bytes);
        let bank = || Ram::new("image_bank", depth, 1, 1);
        Self {
            clock: Signal::default(),
            write_enable: Signal::default(),
            write_row: Signal::default(),
            write_data: ports(port_bytes),
            address: Signal::default(),
            column: Signal::default(),
            row_bytes: Signal::default(),
            row_inside: Signal::default(),
            turn: Signal::default(),
            fill: Signal::default(),
            data: ports(port_bytes),
            bank: (0..port_bytes).map(|_| bank()).collect(),
            rows: WindowRows::new(port_bytes),
            image_row: WindowInside::new(port_bytes),
            select: WindowSelect::new(port_bytes),
            _port_bytes: port_bytes,
        }
    }
}

impl Logic for Window {
    #[hdl_gen]
    fn update(&mut self) {
        comment!("module image_window: Neighboring bytes of an image, wherever they begin.");
        self.image_row.clock.next = self.clock.val();
        self.select.clock.next = self.clock.val();
        self.rows.address.next = self.address.val();
        self.image_row.column.next = self.column.val();
        self.image_row.row_bytes.next = self.row_bytes.val();
        self.image_row.row_inside.next = self.row_inside.val();
        self.select.address.next = self.address.val().get_bits::<4>(0);
        self.select.turn.next = self.turn.val();
        self.select.fill.next = self.fill.val();
        for i in 0..self._port_bytes {
            self.bank[i].clock.next = self.clock.val();
            self.bank[i].write_enable[0].next = self.write_enable.val();
            self.bank[i].write_address.next = self.write_row.val();
            self.bank[i].write_data[0].next = self.write_data[i].val();
            self.bank[i].read_address.next = self.rows.row[i].val();
            self.select.in_image[i].next = self.image_row.in_image[i].val();
            self.select.bank[i].next = self.bank[i].read_data[0].val();
            self.data[i].next = self.select.data[i].val();
        }
    }
}

/// Bits that count the bytes of a beat.
fn low_bits(port_bytes: usize) -> usize {
    port_bytes.trailing_zeros() as usize
}

/// The row of each bank in which a window's bytes lie. Combinational.
#[derive(LogicBlock)]
pub struct WindowRows {
    /// First byte of the window.
    pub address: Signal<In, Bits<16>>,
    /// One a bank.
    pub row: Vec<Signal<Out, Bits<16>>>,
}

impl WindowRows {
    /// For so many banks, a power of two.
    pub fn new(port_bytes: usize) -> Self {
        Self { address: Signal::default(), row: ports(port_bytes) }
    }
}

impl Logic for WindowRows {
    fn update(&mut self) {
        let (n, address) = (self.row.len(), self.address.val().index());
        for (bank, row) in self.row.iter_mut().enumerate() {
            let next = usize::from(address % n > bank);
            row.next = bits(((address / n + next) % (0x1_0000 / n)) as u64);
        }
    }

    fn connect(&mut self) {
        self.row.drive();
    }

    fn hdl(&self) -> Verilog {
        let n = self.row.len();
        let low = low_bits(n);
        let mut body = String::new();
        if n == 1 {
            body.push_str("assign row_0 = address;\n");
        } else {
            let wide = 16 - low;
            let _ = writeln!(body, "wire [{}:0] first = address[15:{low}];", wide - 1);
            let _ = writeln!(body, "wire [{}:0] second = first + {wide}'d1;", wide - 1);
            for bank in 0..n - 1 {
                let _ = writeln!(
                    body,
                    "assign row_{bank} = {{{low}'d0, address[{}:0] > {low}'d{bank} ? second : first}};",
                    low - 1
                );
            }
            let _ = writeln!(body, "assign row_{} = {{{low}'d0, first}};", n - 1);
        }
        verilog(&format!("window_rows_{n}"), "The row of each bank that a window reads.", &body)
    }
}

/// Which bytes of a window are of the image. Latency 1 cycle, no reset.
#[derive(LogicBlock)]
pub struct WindowInside {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Place of the window's first byte in its image row, signed.
    pub column: Signal<In, Bits<17>>,
    /// Bytes of an image row.
    pub row_bytes: Signal<In, Bits<16>>,
    /// The image has that row.
    pub row_inside: Signal<In, Bit>,
    /// One a byte of the window.
    pub in_image: Vec<Signal<Out, Bit>>,
}

impl WindowInside {
    /// For windows of so many bytes, a power of two.
    pub fn new(port_bytes: usize) -> Self {
        Self {
            clock: Signal::default(),
            column: Signal::default(),
            row_bytes: Signal::default(),
            row_inside: Signal::default(),
            in_image: ports(port_bytes),
        }
    }
}

impl Logic for WindowInside {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let column = (self.column.val().to_u32() << 15) as i32 >> 15;
            let row_bytes = self.row_bytes.val().to_u32() as i32;
            for (byte, in_image) in (0..).zip(&mut self.in_image) {
                let at = column + byte;
                in_image.next = self.row_inside.val() && at >= 0 && at < row_bytes;
            }
        }
    }

    fn connect(&mut self) {
        self.in_image.drive();
    }

    fn hdl(&self) -> Verilog {
        let n = self.in_image.len();
        let low = low_bits(n);
        // Whether a negative value is at least -byte, and still in the low bits.
        let near = |name: &str, high: usize, byte: usize| {
            let (upper, lower) = (high - 1, low.max(1) - 1);
            format!("(&{name}[{upper}:{low}] & {name}[{lower}:0] >= {low}'d{})", n - byte)
        };
        let begun = |byte: usize| match byte {
            0 => String::from("!column[16]"),
            _ => format!("(!column[16] | {})", near("column", 16, byte)),
        };
        let not_over = |byte: usize| match byte {
            0 => String::from("behind[17]"),
            _ => format!("behind[17] & !{}", near("behind", 17, byte)),
        };
        let mut body = String::from(
            "// How far the first byte is behind the last of the row.\n\
             wire [17:0] behind = {column[16], column} - {2'd0, row_bytes};\ninitial begin\n",
        );
        for byte in 0..n {
            let _ = writeln!(body, "    in_image_{byte} = 1'd0;");
        }
        body.push_str("end\nalways @(posedge clock) begin\n");
        for byte in 0..n {
            let _ = writeln!(
                body,
                "    in_image_{byte} <= row_inside & {} & {};",
                begun(byte),
                not_over(byte)
            );
        }
        body.push_str("end\n");
        if n == 1 {
            body.push_str("wire unused = &{1'b0, behind[16:0]};\n");
        }
        verilog(&format!("window_inside_{n}"), "Which bytes of a window are of the image.", &body)
    }
}

/// Turns what the banks give, so that the first byte of a window comes where it is wanted. Latency 1 cycle from `bank`,
/// `in_image`, `turn` and `fill`, 2 from `address`; no reset.
#[derive(LogicBlock)]
pub struct WindowSelect {
    /// Rising edge.
    pub clock: Signal<In, Clock>,
    /// Low bits of the address of the window's first byte, a cycle before its bytes.
    pub address: Signal<In, Bits<4>>,
    /// Where the first byte of the window is wanted, modulo the number of bytes.
    pub turn: Signal<In, Bits<5>>,
    /// What a byte outside the image reads as.
    pub fill: Signal<In, Bits<8>>,
    /// Which bytes of the window are of the image.
    pub in_image: Vec<Signal<In, Bit>>,
    /// What the banks give.
    pub bank: Vec<Signal<In, Bits<8>>>,
    /// The bytes as they are wanted.
    pub data: Vec<Signal<Out, Bits<8>>>,
    _first: usize,
}

impl WindowSelect {
    /// For windows of so many bytes, a power of two.
    pub fn new(port_bytes: usize) -> Self {
        Self {
            clock: Signal::default(),
            address: Signal::default(),
            turn: Signal::default(),
            fill: Signal::default(),
            in_image: ports(port_bytes),
            bank: ports(port_bytes),
            data: ports(port_bytes),
            _first: 0,
        }
    }
}

impl Logic for WindowSelect {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let n = self.data.len();
            let turn = self.turn.val().index() % n;
            for (at, byte) in self.data.iter_mut().enumerate() {
                let index = (at + n - turn) % n;
                byte.next = if self.in_image[index].val() {
                    self.bank[(index + self._first) % n].val()
                } else {
                    self.fill.val()
                };
            }
            self._first = self.address.val().index() % n;
        }
    }

    fn connect(&mut self) {
        self.data.drive();
    }

    fn hdl(&self) -> Verilog {
        let n = self.data.len();
        let low = low_bits(n);
        let mut body = String::from("initial begin\n");
        for byte in 0..n {
            let _ = writeln!(body, "    data_{byte} = 8'd0;");
        }
        body.push_str("end\n");
        if n == 1 {
            body.push_str(
                "always @(posedge clock) data_0 <= in_image_0 ? bank_0 : fill;\n\
                 wire unused = &{1'b0, address, turn};\n",
            );
            return verilog("window_select_1", "The byte, or what is outside the image.", &body);
        }
        let _ = writeln!(body, "reg [{}:0] first;\ninitial first = {low}'d0;", low - 1);
        let _ = writeln!(body, "always @(posedge clock) first <= address[{}:0];", low - 1);
        let _ = writeln!(body, "wire [{}:0] back = {low}'d0 - turn[{}:0];", low - 1, low - 1);
        let _ = writeln!(body, "wire [{}:0] shift = first + back;", low - 1);
        let lanes = |name: &str| -> String {
            (0..n).rev().map(|byte| format!("{name}_{byte}")).collect::<Vec<_>>().join(", ")
        };
        let _ = writeln!(body, "wire [{}:0] insides = {{{}}};", n - 1, lanes("in_image"));
        let _ = writeln!(body, "wire [{}:0] banks = {{{}}};", 8 * n - 1, lanes("bank"));
        for byte in 0..n {
            let _ = writeln!(
                body,
                "wire [{0}:0] index_{byte} = {low}'d{byte} + back;\n\
                 wire [{0}:0] bank_index_{byte} = {low}'d{byte} + shift;",
                low - 1
            );
        }
        body.push_str("always @(posedge clock) begin\n");
        for byte in 0..n {
            let _ = writeln!(
                body,
                "    data_{byte} <= insides[index_{byte}] ? banks[{{bank_index_{byte}, 3'd0}} +: 8] : fill;"
            );
        }
        body.push_str("end\n");
        let unused = if low < 4 {
            format!("wire unused = &{{1'b0, address[3:{low}], turn[4:{low}]}};\n")
        } else {
            String::from("wire unused = &{1'b0, turn[4]};\n")
        };
        body.push_str(&unused);
        verilog(
            &format!("window_select_{n}"),
            "A window's bytes where they are wanted, or what is outside the image.",
            &body,
        )
    }
}
