// What the gate keeps of a token between dispatches: columns of a buffer [columns, tokens].
const LARGEST = 0u;
const SUM = 1u;
const LAST_GROUP_KEY = 2u;
const LAST_GROUP = 3u;
const LAST_KEY = 4u;
const GAP = 5u;
const GROUP_GAP = 6u;

// What becomes of a token.
const ROUTED = 0u;
const REFUSED = 1u;
const MASKED = 2u;
