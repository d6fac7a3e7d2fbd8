//! The status registers' multiplexer: which value each address of [`spec::status`] reads.

use rust_hdl_core::prelude::*;
use spec::status;

use crate::leaf::{Drive, verilog};

macro_rules! status_select {
    ($($register:ident: $address:expr),+ $(,)?) => {
        /// Gives the register at an address. Combinational; addresses beyond the last read as 0.
        #[derive(LogicBlock, Default)]
        pub struct StatusSelect {
            /// Which register.
            pub address: Signal<In, Bits<{ status::ADDRESS_BITS }>>,
            $(
                #[doc = concat!("Value of the register `", stringify!($register), "`.")]
                pub $register: Signal<In, Bits<32>>,
            )+
            /// Its value.
            pub data: Signal<Out, Bits<32>>,
        }

        impl StatusSelect {
            /// Address and port of every register.
            const PORTS: &[(usize, &str)] = &[$(($address, stringify!($register))),+];
        }

        impl Logic for StatusSelect {
            fn update(&mut self) {
                let address = self.address.val().index();
                let registers = [$(($address, self.$register.val())),+];
                let found = registers.iter().find(|(of, _)| *of == address);
                self.data.next = found.map_or(Bits::default(), |(_, value)| *value);
            }

            fn connect(&mut self) {
                self.data.drive();
            }

            fn hdl(&self) -> Verilog {
                let arms: String = Self::PORTS
                    .iter()
                    .map(|(address, name)| format!("        {}'d{address}: data = {name};\n", status::ADDRESS_BITS))
                    .collect();
                let body = format!("always @(*) begin\n    case (address)\n{arms}        default: data = 32'd0;\n    endcase\nend\n");
                verilog("status_select", "The status register at an address, 0 beyond the last.", &body)
            }
        }
    };
}

status_select! {
    state: status::STATE,
    images: status::IMAGES,
    cycles: status::CYCLES,
    useful: status::USEFUL,
    idle_pes: status::LOST[0],
    fetch: status::LOST[1],
    weight_load: status::LOST[2],
    dependency: status::LOST[3],
    accumulator: status::LOST[4],
    drain: status::LOST[5],
    idle_remainder: status::IDLE_REMAINDER,
    load_cycles: status::LOAD_CYCLES,
    output_cycles: status::OUTPUT_CYCLES,
    program_counter: status::PROGRAM_COUNTER,
    sizes: status::SIZES,
    bad_images: status::BAD_IMAGES,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_register_of_the_table_has_its_port() {
        let of_table: Vec<(usize, &str)> =
            status::REGISTERS.iter().map(|register| (register.address, register.name)).collect();
        assert_eq!(StatusSelect::PORTS, of_table);
    }
}
