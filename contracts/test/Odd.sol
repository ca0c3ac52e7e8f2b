// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// An ERC-20 that behaves as it is told. For tests.
contract OddToken {
  enum Mode {
    Usual,
    /// A hundredth is kept of what arrives.
    Fee,
    /// A hundredth more is taken than was asked for.
    Surcharge,
    /// Answers nothing.
    Silent,
    /// Answers false and does nothing.
    False,
    /// Answers true and does nothing.
    Lazy,
    Reverting,
    /// Calls somebody with what it was given, in the midst of a transfer.
    Calling
  }

  Mode public mode;
  /// Balances are shares times this, over a thousand.
  uint256 public factor = 1000;
  mapping(address => uint256) private _shares;
  mapping(address => mapping(address => uint256)) public allowance;
  address private _target;
  bytes private _call;
  bool public called;

  function setMode(Mode next) external {
    mode = next;
  }

  function rebase(uint256 next) external {
    factor = next;
  }

  function setCall(address target, bytes calldata call_) external {
    (_target, _call) = (target, call_);
  }

  function mint(address to, uint256 amount) external {
    _shares[to] += (amount * 1000) / factor;
  }

  function balanceOf(address account) public view returns (uint256) {
    return (_shares[account] * factor) / 1000;
  }

  function approve(address spender, uint256 amount) external returns (bool) {
    allowance[msg.sender][spender] = amount;
    return true;
  }

  function transfer(address to, uint256 amount) external returns (bool) {
    return _move(msg.sender, to, amount);
  }

  function transferFrom(address from, address to, uint256 amount) external returns (bool) {
    require(allowance[from][msg.sender] >= amount, "allowance");
    allowance[from][msg.sender] -= amount;
    return _move(from, to, amount);
  }

  function _move(address from, address to, uint256 amount) private returns (bool) {
    if (mode == Mode.Reverting) revert("no transfers today");
    if (mode == Mode.False) return false;
    if (mode == Mode.Lazy) return true;
    if (mode == Mode.Calling) {
      (called,) = _target.call(_call);
    }
    uint256 shares = (amount * 1000) / factor;
    uint256 extra = shares / 100;
    _shares[from] -= mode == Mode.Surcharge ? shares + extra : shares;
    _shares[to] += mode == Mode.Fee ? shares - extra : shares;
    if (mode == Mode.Silent) {
      assembly {
        return(0, 0)
      }
    }
    return true;
  }
}

/// Takes the coin, refuses it, or calls somebody as it comes; and calls whom it is told to. For tests.
contract OddRecipient {
  bool public refuses;
  bool public called;
  address private _target;
  bytes private _call;

  function setRefuses(bool next) external {
    refuses = next;
  }

  function setCall(address target, bytes calldata call_) external {
    (_target, _call) = (target, call_);
  }

  function act(address target, bytes calldata call_) external payable {
    (bool success,) = target.call{value: msg.value}(call_);
    require(success, "it failed");
  }

  receive() external payable {
    require(!refuses, "not today");
    if (_target != address(0)) (called,) = _target.call(_call);
  }
}
