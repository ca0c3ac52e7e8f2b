// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {WrappedToken} from "./WrappedToken.sol";

/// @title Makes wrapped tokens for whichever vault asks, who is theirs for good. It has no storage and no owner; it is a contract of its own for its size.
contract WrappedTokenFactory {
  /// @notice One for each caller and remote: a second is refused.
  function create(bytes32 remote, string calldata name, string calldata symbol, uint8 decimals)
    external
    returns (WrappedToken token)
  {
    return new WrappedToken{salt: keccak256(abi.encode(msg.sender, remote))}(msg.sender, remote, name, symbol, decimals);
  }
}
