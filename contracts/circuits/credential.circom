// A statement about a credential that shows nothing else of it: an issuer among those the verifier accepts signed that the holder's claim
// `claimIndex` is at least `threshold`; it has not expired at `now` and is not set in the status list. What is public is what the
// verifier asks, and a nullifier: the same for the same holder and context, and linked to nothing else.
pragma circom 2.1.6;

include "babyjub.circom";
include "bitify.circom";
include "comparators.circom";
include "eddsaposeidon.circom";
include "mux3.circom";
include "poseidon.circom";

// The root of a Merkle tree from a leaf and its path; bit 0 of the index says on which side the leaf is.
template MerkleRoot(depth) {
    signal input leaf;
    signal input indexBits[depth];
    signal input siblings[depth];
    signal output root;

    component hashes[depth];
    signal nodes[depth + 1];
    signal left[depth];
    nodes[0] <== leaf;
    for (var i = 0; i < depth; i++) {
        // The bits come out of Num2Bits, so they are bits.
        left[i] <== nodes[i] + indexBits[i] * (siblings[i] - nodes[i]);
        hashes[i] = Poseidon(2);
        hashes[i].inputs[0] <== left[i];
        hashes[i].inputs[1] <== nodes[i] + siblings[i] - left[i];
        nodes[i + 1] <== hashes[i].out;
    }
    root <== nodes[depth];
}

// issuersDepth: 2^depth issuers at most. statusDepth: 2^depth words of 128 status bits.
template Credential(issuersDepth, statusDepth) {
    // Asked by the verifier.
    signal input issuersRoot; // of Poseidon(x, y) of the keys it accepts
    signal input statusRoot;  // of the words of the issuer's status list
    signal input schema;      // which credential, and so what its claims mean
    signal input claimIndex;
    signal input threshold;
    signal input now;         // seconds
    signal input context;     // for what the statement is made

    // The holder's.
    signal input secret;
    signal input claims[8];   // 64 bits each
    signal input validUntil;  // seconds
    signal input statusIndex;
    signal input issuerKey[2];
    signal input signature[3]; // R8 x, R8 y, S
    signal input issuerIndex;
    signal input issuerSiblings[issuersDepth];
    signal input statusWord;
    signal input statusSiblings[statusDepth];

    signal output nullifier;

    // What the issuer signed. It knows the holder by a commitment alone.
    component subject = Poseidon(1);
    subject.inputs[0] <== secret;
    component claimsHash = Poseidon(8);
    for (var i = 0; i < 8; i++) claimsHash.inputs[i] <== claims[i];
    component message = Poseidon(5);
    message.inputs[0] <== subject.out;
    message.inputs[1] <== schema;
    message.inputs[2] <== claimsHash.out;
    message.inputs[3] <== validUntil;
    message.inputs[4] <== statusIndex;

    // circomlib's verifier takes its points for points.
    component onCurve[2];
    for (var i = 0; i < 2; i++) onCurve[i] = BabyCheck();
    onCurve[0].x <== issuerKey[0];
    onCurve[0].y <== issuerKey[1];
    onCurve[1].x <== signature[0];
    onCurve[1].y <== signature[1];
    component eddsa = EdDSAPoseidonVerifier();
    eddsa.enabled <== 1;
    eddsa.Ax <== issuerKey[0];
    eddsa.Ay <== issuerKey[1];
    eddsa.R8x <== signature[0];
    eddsa.R8y <== signature[1];
    eddsa.S <== signature[2];
    eddsa.M <== message.out;

    component issuerLeaf = Poseidon(2);
    issuerLeaf.inputs[0] <== issuerKey[0];
    issuerLeaf.inputs[1] <== issuerKey[1];
    component issuerBits = Num2Bits(issuersDepth);
    issuerBits.in <== issuerIndex;
    component issuers = MerkleRoot(issuersDepth);
    issuers.leaf <== issuerLeaf.out;
    for (var i = 0; i < issuersDepth; i++) {
        issuers.indexBits[i] <== issuerBits.out[i];
        issuers.siblings[i] <== issuerSiblings[i];
    }
    issuers.root === issuersRoot;

    // The claim, chosen by three bits; then both sides are held to 64 bits, without which the comparison means nothing.
    component choiceBits = Num2Bits(3);
    choiceBits.in <== claimIndex;
    component chosen = Mux3();
    for (var i = 0; i < 8; i++) chosen.c[i] <== claims[i];
    for (var i = 0; i < 3; i++) chosen.s[i] <== choiceBits.out[i];
    component bounds[4];
    for (var i = 0; i < 4; i++) bounds[i] = Num2Bits(64);
    bounds[0].in <== chosen.out;
    bounds[1].in <== threshold;
    bounds[2].in <== validUntil;
    bounds[3].in <== now;
    component enough = GreaterEqThan(64);
    enough.in[0] <== chosen.out;
    enough.in[1] <== threshold;
    enough.out === 1;
    component inTime = LessThan(64);
    inTime.in[0] <== now;
    inTime.in[1] <== validUntil;
    inTime.out === 1;

    // The status list: the low seven bits of the index name a bit of a word, bit 0 its highest as in W3C's list; the others the word.
    component indexBits = Num2Bits(statusDepth + 7);
    indexBits.in <== statusIndex;
    component status = MerkleRoot(statusDepth);
    status.leaf <== statusWord;
    for (var i = 0; i < statusDepth; i++) {
        status.indexBits[i] <== indexBits.out[i + 7];
        status.siblings[i] <== statusSiblings[i];
    }
    status.root === statusRoot;
    component word = Num2Bits(128);
    word.in <== statusWord;
    signal rows[7][128];
    for (var level = 0; level < 7; level++) {
        var size = 64 >> level;
        for (var i = 0; i < size; i++) {
            // From the highest bit of the index down, half of what is left.
            var low = level == 0 ? word.out[127 - i] : rows[level - 1][i];
            var high = level == 0 ? word.out[127 - i - size] : rows[level - 1][i + size];
            rows[level][i] <== low + indexBits.out[6 - level] * (high - low);
        }
        for (var i = size; i < 128; i++) rows[level][i] <== 0;
    }
    rows[6][0] === 0;

    component once = Poseidon(2);
    once.inputs[0] <== secret;
    once.inputs[1] <== context;
    nullifier <== once.out;
}

component main { public [issuersRoot, statusRoot, schema, claimIndex, threshold, now, context] } = Credential(10, 13);
