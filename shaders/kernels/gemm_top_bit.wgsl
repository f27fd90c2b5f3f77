// The largest exponent of products of two formats with up to 4 exponent bits. An operand's exponent, counted from the least, is a bit of half a word: the product of
// two such bits is the bit of their sum, below 2^29, and the highest of all these bits is what is looked for. Two instructions a product.

// The mark of special operands, which in these formats are all NaN, in either half.
const SPECIAL_MARKS = 0x80008000u;

fn power0(words: vec4<u32>) -> vec4<u32> {
  return (words >> vec4(16u)) & vec4(0x7fffu);
}

fn power1(words: vec4<u32>) -> vec4<u32> {
  return words & vec4(0x7fffu);
}

fn with_product(top: vec4<i32>, x: u32, y: vec4<u32>) -> vec4<i32> {
  return top | vec4<i32>(x * y);
}

// The largest as bits of its power; below any where all products are zero. Without the bit below the highest no rounding reaches the next power.
fn top_bits(top: vec4<i32>) -> vec4<i32> {
  let highest = top & ~(top >> vec4(1u));
  return vec4<i32>(power_bits(bitcast<vec4<u32>>(vec4<f32>(highest)))) + vec4(parameters.least_power);
}

// These formats have no infinity, and their sums reach none: what meets a NaN is NaN.
fn unless_marked(finite: vec4<u32>, before: vec4<u32>, x_marks: u32, y_marks: vec4<u32>) -> vec4<u32> {
  let marked = ((vec4(x_marks) | y_marks) & vec4(SPECIAL_MARKS)) != vec4(0u);
  return select(finite, vec4(NAN_BITS), marked | ((before & vec4(MAGNITUDE)) > vec4(INFINITY_BITS)));
}

fn unless_special(finite: Piece, c: Piece, start: Start, own_marks: vec4<u32>) -> Piece {
  return finite;
}
