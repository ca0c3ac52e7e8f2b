// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// Reaches a native module in each of the five ways a contract can, and through another contract. For tests.
contract NativeCaller {
  event Answer(bool ok, bytes output, uint256 gasUsed);

  function viaCall(address target, bytes calldata data) external payable returns (bool ok, bytes memory out) {
    (ok, out) = target.call{value: msg.value}(data);
  }

  function viaStatic(address target, bytes calldata data) external view returns (bool ok, bytes memory out) {
    (ok, out) = target.staticcall(data);
  }

  function viaDelegate(address target, bytes calldata data) external returns (bool ok, bytes memory out) {
    (ok, out) = target.delegatecall(data);
  }

  function viaCallcode(address target, bytes memory data) external returns (bool ok, bytes memory out) {
    assembly ("memory-safe") {
      ok := callcode(gas(), target, 0, add(data, 0x20), mload(data), 0, 0)
      out := mload(0x40)
      mstore(out, returndatasize())
      returndatacopy(add(out, 0x20), 0, returndatasize())
      mstore(0x40, add(out, add(0x20, and(add(returndatasize(), 31), not(31)))))
    }
  }

  /// A writing call inside a static one: the flag must reach the module through the frame between.
  function viaStaticThenCall(address target, bytes calldata data) external view returns (bool ok, bytes memory out) {
    (ok, out) = address(this).staticcall(abi.encodeCall(this.viaCall, (target, data)));
    if (ok) (ok, out) = abi.decode(out, (bool, bytes));
  }

  /// Calls and then reverts itself: what the module wrote must go with it.
  function viaCallThenRevert(address target, bytes calldata data) external {
    (bool ok,) = target.call(data);
    revert(ok ? "undone" : "refused");
  }

  function viaCallWithGas(address target, bytes calldata data, uint256 gasLimit) external returns (bool ok, uint256 spent) {
    uint256 before = gasleft();
    (ok,) = target.call{gas: gasLimit}(data);
    spent = before - gasleft();
  }

  function sizeOf(address target) external view returns (uint256) {
    return target.code.length;
  }
}
