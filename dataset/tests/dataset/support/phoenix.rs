//! MSTAR original files.

/// Lines of the header of an MSTAR original as the public distribution has them, from the first on. `LENGTH`, `SIZE`,
/// `ROWS` and `COLUMNS` stand for numbers.
const HEADER: [&str; 65] = [
    "PhoenixHeaderLength= LENGTH",
    "PhoenixSigSize= SIZE",
    "PhoenixSigNum= 0001",
    "PhoenixHeaderCallingSequence= ",
    "HeaderVersionNumber= 2CM",
    "native_header_length= 0",
    "Filename= hb00000.0000",
    "Chip_MD5_CheckSum= 00000000000000000000000000000000",
    "ParentScene= hb00000",
    "Site= nowhere",
    "NumberOfColumns= COLUMNS",
    "NumberOfRows= ROWS",
    "TargetType= test_tank",
    "TargetSerNum= 0000",
    "TargetAz= 346.000000",
    "TargetRoll= 0.250000",
    "TargetPitch= 358.000000",
    "TargetYaw= 35.750000",
    "DesiredDepression= 17",
    "DesiredGroundPlaneSquint= -90",
    "DesiredSlantPlaneSquint= -90",
    "DesiredRange= 4500",
    "DesiredAimpointLatitude= 0.000000",
    "DesiredAimpointLongitude= 0.000000",
    "DesiredAimpointElevation= 0",
    "DesiredAimpointLatitudeReference= N",
    "DesiredAimpointLongitudeReference= W",
    "MeasuredDepression= 17.000000",
    "MeasuredGroundPlaneSquint= -91.500000",
    "MeasuredSlantPlaneSquint= -91.500000",
    "MeasuredRange= 4475",
    "MeasuredAimpointLatitude= 0.000000",
    "MeasuredAimpointLongitude= 0.000000",
    "MeasuredAimpointElevation= 0.000000",
    "MeasuredAimpointLatitudeReference= N",
    "MeasuredAimpointLongitudeReference= E",
    "MeasuredAntennaLatitude= 0.000000",
    "MeasuredAntennaLongitude= 0.000000",
    "MeasuredAircraftHeading= 41.500000",
    "MeasuredAircraftAltitude= 1480.750000",
    "RadarMode= mode 5 - spot light",
    "SensorCalibrationFactor= 42.995998",
    "RadarPosition= bottom",
    "Range3dBWidth= 0.300000",
    "CrossRange3dBWidth= 0.320000",
    "SceneCenterReferenceLine= 40",
    "X_Velocity= 39.500000",
    "DataCollectors= nobody",
    "CollectionDate= 19700101",
    "CollectionTime= 000000",
    "CollectionName= hb",
    "SensorName= none",
    "Classification= UNCLASSIFIED",
    "MultiplicativeNoise= -10 dB",
    "AdditiveNoise= -32 to -34 dB",
    "CenterFrequency= 9.60 GHz",
    "CrossRangeWeighting= -35dB_Taylor",
    "RangeWeighting= -35dB_Taylor",
    "DynamicRange= 64 dB",
    "Bandwidth=  0.591 GHz",
    "RangeResolution= 0.304700",
    "CrossRangeResolution= 0.304700",
    "RangePixelSpacing= 0.202148",
    "CrossRangePixelSpacing= 0.203125",
    "Polarization= HH",
];

/// An MSTAR original: the header's lines between its marks, magnitudes, phases.
pub(crate) struct Phoenix {
    /// White space before the header.
    pub(crate) space: &'static str,
    pub(crate) lines: Vec<String>,
    /// Bytes between the text header and the magnitudes.
    pub(crate) native: Vec<u8>,
    pub(crate) magnitudes: Vec<f32>,
    pub(crate) phases: Vec<f32>,
    /// Magnitudes and phases as unsigned 16 bits.
    pub(crate) is_sixteen: bool,
}

impl Phoenix {
    /// `rows` x `columns` of magnitude `1 + index`, with phases, as in the public distribution.
    pub(crate) fn new(rows: usize, columns: usize) -> Self {
        let line = |line: &&str| {
            line.replace("ROWS", &rows.to_string()).replace("COLUMNS", &columns.to_string())
        };
        Self {
            space: "\n",
            lines: HEADER.iter().map(line).collect(),
            native: Vec::new(),
            magnitudes: (0..rows * columns).map(|idx| 1.0 + idx as f32).collect(),
            phases: (0..rows * columns).map(|idx| -0.01 * idx as f32).collect(),
            is_sixteen: false,
        }
    }

    /// The same with nothing before the header, and no more lines than are needed.
    pub(crate) fn short(rows: usize, columns: usize) -> Self {
        let mut file = Self::new(rows, columns);
        let needed =
            ["PhoenixHeaderLength", "native_header_length", "NumberOfColumns", "NumberOfRows"];
        file.lines.retain(|line| needed.iter().any(|key| line.starts_with(&format!("{key}="))));
        file.space = "";
        file
    }

    /// Replaces the line of a key; without a value, the line goes.
    pub(crate) fn with(mut self, key: &str, value: Option<&str>) -> Self {
        let start = format!("{key}=");
        let idx = self.lines.iter().position(|line| line.starts_with(&start)).unwrap();
        match value {
            Some(value) => self.lines[idx] = format!("{key}= {value}"),
            None => drop(self.lines.remove(idx)),
        }
        self
    }

    /// Length of the header, which counts from the first byte of the file.
    pub(crate) fn n_header(&self) -> usize {
        self.text().len() + self.native.len()
    }

    fn text(&self) -> String {
        let Self { space, lines, .. } = self;
        let lines = lines.join("\n");
        let text = format!("{space}[PhoenixHeaderVer01.04]\n{lines}\n[EndofPhoenixHeader]\n");
        // The numbers that stand for lengths have five and eight digits.
        let text = text.replace("= LENGTH", "= LLLLL").replace("= SIZE", "= SSSSSSSS");
        let n_bytes = if self.is_sixteen { 2 } else { 4 };
        let n_data = 2 * n_bytes * self.magnitudes.len();
        let n_all = text.len() + self.native.len() + n_data;
        text.replace("LLLLL", &format!("{:05}", text.len()))
            .replace("SSSSSSSS", &format!("{n_all:08}"))
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.text().into_bytes();
        bytes.extend(&self.native);
        let values = self.magnitudes.iter().chain(&self.phases);
        if self.is_sixteen {
            bytes.extend(values.flat_map(|value| (*value as u16).to_be_bytes()));
        } else {
            bytes.extend(values.flat_map(|value| value.to_bits().to_be_bytes()));
        }
        bytes
    }
}
