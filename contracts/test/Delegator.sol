// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// A contract that delegates, from its constructor too, and calls staking again whenever it is paid. For tests.
contract Delegator {
  address private immutable staking;
  /// How often code of this contract ran because it was paid.
  uint256 public payments;

  constructor(address target, bytes memory data) payable {
    staking = target;
    if (data.length > 0) pass(target, data, msg.value);
  }

  function act(bytes calldata data) external payable returns (bytes memory) {
    return pass(staking, data, msg.value);
  }

  receive() external payable {
    payments++;
    pass(staking, abi.encodeWithSignature("withdrawUnbonded()"), 0);
  }

  function pass(address target, bytes memory data, uint256 value) private returns (bytes memory out) {
    bool ok;
    (ok, out) = target.call{value: value}(data);
    if (!ok) {
      assembly ("memory-safe") {
        revert(add(out, 0x20), mload(out))
      }
    }
  }
}
