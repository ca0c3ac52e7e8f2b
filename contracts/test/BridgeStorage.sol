// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// The variables of `chain/native/bridge/layout.ts`, for solc to say what lies where, and how a vault computes an id and a link. For tests.
contract BridgeStorage {
  struct Transfer { uint8 status; uint64 chain; uint64 sequence; uint40 changedAt; }
  struct Chain { address vault; uint40 sent; uint40 settled; uint16 era; }
  struct Route {
    bytes32 remote; uint256 outstanding; uint128 cap; uint128 limit; uint128 level; uint40 levelAt; bool known; bool open; uint8 book;
  }
  struct Local { address token; bool known; }

  mapping(uint256 => mapping(uint256 => bytes32)) public links;
  mapping(bytes32 => Transfer) public transfers;
  mapping(uint256 => Chain) public chains;
  mapping(uint256 => mapping(uint256 => uint256)) public settled;
  mapping(uint256 => mapping(address => Route)) public routes;
  mapping(uint256 => mapping(bytes32 => Local)) public locals;
  uint64[] public chainIds;
  uint8 public wrappedTaken;

  struct Message {
    uint64 sourceChain; uint64 targetChain; uint64 sequence; uint64 deadline; bytes32 sender; bytes recipient; bytes32 token; uint256 amount;
    bytes32 refundOf; bytes data;
  }

  bytes32 constant MESSAGE_TYPEHASH = keccak256(
    "Message(uint64 sourceChain,uint64 targetChain,uint64 sequence,uint64 deadline,bytes32 sender,bytes recipient,bytes32 token,uint256 amount,bytes32 refundOf,bytes data)"
  );

  function messageId(Message calldata m) external pure returns (bytes32) {
    return keccak256(abi.encode(
      MESSAGE_TYPEHASH, m.sourceChain, m.targetChain, m.sequence, m.deadline, m.sender, keccak256(m.recipient), m.token, m.amount, m.refundOf,
      keccak256(m.data)
    ));
  }

  function linkAfter(bytes32 previous, bytes32 id) external pure returns (bytes32) {
    return keccak256(abi.encode(previous, id));
  }

  function slotOfLink(uint64 chain, uint64 sequence) external pure returns (bytes32) {
    return keccak256(abi.encode(sequence, keccak256(abi.encode(chain, 0))));
  }
}
