// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {INovaVault} from "./INovaVault.sol";
import {TrieProofs} from "./TrieProofs.sol";

/// @title A message's id, its link, and the proof of one in NovaChain's state: as `chain/native/bridge/IBridge.sol` defines them. Owns no storage.
library Messages {
  /// @dev Where the module lives, and the slot of its `links`.
  address private constant BRIDGE = 0x0000000000000000000000000000000000000830;
  uint256 private constant LINKS = 0;
  bytes32 private constant TYPEHASH = keccak256(
    "Message(uint64 sourceChain,uint64 targetChain,uint64 sequence,uint64 deadline,bytes32 sender,bytes recipient,bytes32 token,uint256 amount,bytes32 refundOf,bytes data)"
  );

  function idOf(INovaVault.Message memory message) internal pure returns (bytes32 id) {
    return keccak256(
      abi.encode(
        TYPEHASH,
        message.sourceChain,
        message.targetChain,
        message.sequence,
        message.deadline,
        message.sender,
        keccak256(message.recipient),
        message.token,
        message.amount,
        message.refundOf,
        keccak256(message.data)
      )
    );
  }

  function linkAfter(bytes32 previous, bytes32 id) internal pure returns (bytes32 link) {
    return keccak256(abi.encode(previous, id));
  }

  /// @notice Whether NovaChain's outbox for `chain` has this link at this sequence, in the state of this root.
  function isLink(bytes32 stateRoot, uint64 chain, uint64 sequence, bytes32 link, INovaVault.StateProof calldata proof)
    internal
    pure
    returns (bool proven)
  {
    bytes calldata account = TrieProofs.valueAt(stateRoot, keccak256(abi.encodePacked(BRIDGE)), proof.account);
    // [nonce, balance, a0 storage root, a0 code hash]
    uint256 length = account.length;
    if (length < 70 || account[length - 66] != 0xa0) return false;
    bytes32 storageRoot = bytes32(account[length - 65:length - 33]);
    bytes32 slot = keccak256(abi.encode(sequence, keccak256(abi.encode(chain, LINKS))));
    bytes calldata value = TrieProofs.valueAt(storageRoot, keccak256(abi.encode(slot)), proof.slot);
    // A word without its leading zeros, and what says how long it is. A link of a byte or less is none.
    length = value.length;
    if (length < 2 || length > 33 || uint8(value[0]) != 0x7f + length) return false;
    return bytes32(value[1:]) >> (8 * (33 - length)) == link;
  }
}
