// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {Initializable} from "@openzeppelin/contracts-v57/proxy/utils/Initializable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts-v57/proxy/utils/UUPSUpgradeable.sol";

/// @title A contract behind a proxy, with an owner who may change it and its code. The owner is a timelock: what it decides can be seen before it holds.
abstract contract Governed is Initializable, UUPSUpgradeable {
  address public owner;

  error NotOwner(address caller);

  modifier onlyOwner() {
    if (msg.sender != owner) revert NotOwner(msg.sender);
    _;
  }

  /// @dev Nobody can initialise the implementation itself.
  constructor() {
    _disableInitializers();
  }

  function _setOwner(address first) internal onlyInitializing {
    if (first == address(0)) revert NotOwner(first);
    owner = first;
  }

  function _authorizeUpgrade(address) internal override onlyOwner {}
}
